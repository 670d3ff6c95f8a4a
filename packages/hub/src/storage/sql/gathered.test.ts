import { expect, test } from 'vitest'
import { eachOnce, gathered } from './gathered.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function heldCalls() {
  const calls: {
    readonly questions: readonly number[]
    end(answers?: readonly number[]): void
    fail(): void
  }[] = []
  const answerAll = (questions: readonly number[]): Promise<readonly number[]> =>
    new Promise((resolve, reject) => {
      calls.push({
        questions,
        end: (answers = questions.map((n) => 10 * n)) => resolve(answers),
        fail: () => reject(new Error('no answer')),
      })
    })
  return { calls, answerAll }
}

test('questions gather during a call, up to the limit, and each gets its own answer', async () => {
  const { calls, answerAll } = heldCalls()
  const ask = gathered(answerAll, 2)
  const answers = [ask(1)]
  await turn()
  answers.push(ask(2), ask(3), ask(4))
  await turn()
  expect(calls.map(({ questions }) => questions)).toEqual([[1]])
  for (let at = 0; at < 3; at++) {
    calls[at]?.end()
    await turn()
  }
  expect(calls.map(({ questions }) => questions)).toEqual([[1], [2, 3], [4]])
  expect(await Promise.all(answers)).toEqual([10, 20, 30, 40])
})

test('a failed call, or one that leaves a question open, fails only the questions in it', async () => {
  const { calls, answerAll } = heldCalls()
  const ask = gathered(answerAll)
  const first = ask(1)
  await turn()
  const others = Promise.allSettled([ask(2), ask(3)])
  calls[0]?.fail()
  await expect(first).rejects.toThrow('no answer')
  await turn()
  calls[1]?.end([20])
  expect((await others).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  const last = ask(4)
  await turn()
  calls[2]?.end()
  expect(await last).toBe(40)
})

test('a question of several callers is asked once, and each caller gets the answer', async () => {
  const asked: (readonly string[])[] = []
  const answerAll = eachOnce(async (questions) => {
    asked.push(questions)
    return questions.map((question) => (question === 'nobody' ? undefined : question.toUpperCase()))
  })
  expect(await answerAll(['a', 'nobody', 'a', 'b', 'nobody'])).toEqual(['A', undefined, 'A', 'B', undefined])
  expect(asked).toEqual([['a', 'nobody', 'b']])
})

test('a call with too few answers fails all its questions', async () => {
  const ask = gathered(eachOnce(async () => ['only one']))
  const answers = await Promise.allSettled([ask('a'), ask('b')])
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})
