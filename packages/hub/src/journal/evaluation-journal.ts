import type { Meter } from '../base/meter.ts'
import type { Evaluation } from '../policy/evaluator.ts'
import { createLogRecorder } from '../systemlog/log-recorder.ts'
import type { SystemLogStore } from '../systemlog/system-log-store.ts'
import type { JournalWorld } from './entry-parts.ts'
import { evaluationEntry } from './evaluation-entry.ts'

export interface EvaluationJournal extends AsyncDisposable {
  /** Resolves when the entry is on disk. @throws HubError `hub.overloaded`, `hub.unavailable` */
  evaluated(evaluation: Evaluation): Promise<void>
}

/** The journal of questions at sign-in. They change nothing, so concurrent entries share a commit. */
export function createEvaluationJournal(
  world: JournalWorld,
  systemLog: Pick<SystemLogStore, 'append'>,
  meter: Pick<Meter, 'now' | 'committed'>,
): EvaluationJournal {
  const recorder = createLogRecorder(systemLog, undefined, meter)
  return {
    evaluated: (evaluation) => recorder.record(evaluationEntry(world, evaluation)),
    [Symbol.asyncDispose]: () => recorder[Symbol.asyncDispose](),
  }
}
