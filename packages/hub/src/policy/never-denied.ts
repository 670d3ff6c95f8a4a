import { normaliseLogin } from '../subjects/email.ts'
import type { Verdict } from './evaluate.ts'
import type { Question } from './question.ts'

/** Sign-in names and email addresses of people whom no answer denies or challenges, as {@link normaliseLogin} has them. */
export type NeverDenied = ReadonlySet<string>

/** How many people may be named: this is for emergency accounts. */
const peopleMax = 20

/**
 * Reads names with commas between them.
 * @returns what is wrong with the text, when something is
 */
export function readNeverDenied(text: string): NeverDenied | string {
  const names = text.split(',').map((name) => name.trim())
  if (names.some((name) => name === '')) return 'a name between commas is empty'
  if (names.length > peopleMax) return `it names more than ${peopleMax} people`
  return new Set(names.map(normaliseLogin))
}

/**
 * Allows what would be denied or challenged for people who must always get in, and says so. Only the name that the question
 * asks by counts, never who is taken for the same person: no source can make anybody one of them.
 */
export function spareNeverDenied(question: Question, verdict: Verdict, people: NeverDenied): Verdict {
  const { outcome, notes } = verdict
  const isSpared = question.userIssuer === undefined && people.has(normaliseLogin(question.user))
  if (outcome === 'allow' || !isSpared) return verdict
  return {
    ...verdict,
    outcome: 'allow',
    spared: outcome,
    notes: [
      ...notes,
      `This user is never denied (WATCHBELL_NEVER_DENIED). Otherwise the outcome would be ${outcome}.`,
    ],
  }
}
