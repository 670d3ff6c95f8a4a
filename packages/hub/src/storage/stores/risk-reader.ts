import type { RiskPicture, RiskReader } from '../../risk/risk-reader.ts'
import { gathered } from '../sql/gathered.ts'
import type { RiskQuestion } from './risk-pictures.ts'

/** What the question at sign-in needs done beside the data. */
export interface RiskProcedures {
  readRisks(questions: readonly RiskQuestion[]): Promise<readonly RiskPicture[]>
}

/** Questions that come while others are being read travel together. */
export function createRiskReader({ readRisks }: RiskProcedures): RiskReader {
  const ask = gathered((questions: readonly RiskQuestion[]) => readRisks(questions))
  return { read: (about, now) => ask({ about, now }) }
}
