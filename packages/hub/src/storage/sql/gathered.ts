/**
 * Combines many questions into one call: questions that come during a call go into the next one, and a single question
 * does not wait.
 * @param answerAll - must return an answer to each question, in their order
 */
export function gathered<Question, Answer>(
  answerAll: (questions: readonly Question[]) => Promise<readonly Answer[]>,
  questionsMax = 256,
): (question: Question) => Promise<Answer> {
  interface Waiting {
    readonly question: Question
    readonly resolve: (answer: Answer) => void
    readonly reject: (error: unknown) => void
  }
  let gathering: Waiting[] = []
  let answering = false

  async function answer(batch: readonly Waiting[]): Promise<void> {
    try {
      const answers = await answerAll(batch.map(({ question }) => question))
      if (answers.length !== batch.length) throw new Error('A question was left without an answer.')
      batch.forEach(({ resolve }, at) => resolve(answers[at] as Answer)) // lengths are equal
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  async function answerWaiting(): Promise<void> {
    while (gathering.length > 0) {
      const batch = gathering.slice(0, questionsMax)
      gathering = gathering.slice(questionsMax)
      await answer(batch)
    }
    answering = false
  }

  return (question) =>
    new Promise((resolve, reject) => {
      gathering.push({ question, resolve, reject })
      if (answering) return
      answering = true
      void Promise.resolve().then(answerWaiting)
    })
}

/** Asks each different question once, however many callers have it: most requests have the same token. */
export function eachOnce<Answer>(
  answerAll: (questions: readonly string[]) => Promise<readonly Answer[]>,
): (questions: readonly string[]) => Promise<readonly Answer[]> {
  return async (questions) => {
    const different = [...new Set(questions)]
    const answers = await answerAll(different)
    if (answers.length !== different.length) throw new Error('A question was left without an answer.')
    const found = new Map(different.map((question, at) => [question, answers[at] as Answer])) // lengths are equal
    return questions.map((question) => found.get(question) as Answer) // `different` has every question
  }
}
