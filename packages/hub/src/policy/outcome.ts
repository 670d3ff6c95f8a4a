import { riskLevels, type RiskLevel } from '../risk/risk-level.ts'

/** What comes of a question, mildest first. */
export const outcomes = ['allow', 'challenge', 'deny'] as const
export type Outcome = (typeof outcomes)[number]

export function worstOutcome(a: Outcome, b: Outcome): Outcome {
  return outcomes.indexOf(a) < outcomes.indexOf(b) ? b : a
}

/** Which outcome each level leads to. */
export type OutcomeRules = Readonly<Record<RiskLevel, Outcome>>

export const defaultOutcomeRules: OutcomeRules = {
  NONE: 'allow',
  LOW: 'allow',
  MEDIUM: 'challenge',
  HIGH: 'deny',
}

/**
 * Reads `HIGH=deny,MEDIUM=challenge`: a level that is not named allows. A worse level never leads to a milder outcome,
 * and NONE is not to be named: it is what everybody has of whom nothing is known.
 * @returns what is wrong with the text, when something is
 */
export function readOutcomeRules(text: string): OutcomeRules | string {
  const rules: Record<RiskLevel, Outcome> = { NONE: 'allow', LOW: 'allow', MEDIUM: 'allow', HIGH: 'allow' }
  const named = new Set<RiskLevel>()
  for (const pair of text.split(',').map((pair) => pair.trim())) {
    const [name = '', wanted = ''] = pair.split('=').map((part) => part.trim())
    const level = riskLevels.find((level) => level !== 'NONE' && level === name)
    const outcome = outcomes.find((outcome) => outcome === wanted)
    if (level === undefined || outcome === undefined || pair.split('=').length !== 2) {
      return `'${pair}' is not a level (LOW, MEDIUM, HIGH) and an outcome (${outcomes.join(', ')}), such as HIGH=deny`
    }
    if (named.has(level)) return `${level} is named twice`
    named.add(level)
    rules[level] = outcome
  }
  for (const [at, level] of riskLevels.entries()) {
    const worse = riskLevels[at + 1]
    if (worse !== undefined && outcomes.indexOf(rules[worse]) < outcomes.indexOf(rules[level])) {
      return `${worse} would lead to ${rules[worse]}, which is milder than ${rules[level]} of ${level}`
    }
  }
  return rules
}
