import type { World } from '../base/world.ts'
import type { Opinion } from '../policy/evaluate.ts'
import type { Evaluation } from '../policy/evaluator.ts'
import type { Outcome } from '../policy/outcome.ts'
import { logEvent, type LogEvent, type LogResult } from '../systemlog/log-event.ts'
import { inPseudoMap } from '../systemlog/pseudo-map.ts'

const results: Record<Outcome, LogResult> = { allow: 'ALLOW', challenge: 'CHALLENGE', deny: 'DENY' }

/** A question at sign-in and its answer. The actor is the user, with the address and the browser of the question. */
export function evaluationEntry(
  world: Pick<World, 'now' | 'newUuid'>,
  { question, verdict, by }: Evaluation,
): LogEvent {
  const { user, action, resource, ip, device, session, userAgent } = question
  return logEvent(world, {
    eventType: 'policy.evaluate_sign_on',
    displayMessage: 'Evaluation of sign-on policy',
    by: {
      id: verdict.userId ?? 'unknown',
      type: 'User',
      alternateId: user,
      displayName: user,
      ...(ip !== undefined && { ip }),
      ...(userAgent !== undefined && { userAgent }),
      ...(by.requestId !== undefined && { requestId: by.requestId }),
    },
    ...(verdict.outcome === 'deny' && { severity: 'WARN' as const }),
    outcome: { result: results[verdict.outcome], reason: verdict.grounds[0]?.text ?? null },
    target: [
      {
        id: resource.id,
        type: resource.type,
        alternateId: resource.id,
        displayName: resource.id,
        detailEntry: null,
      },
    ],
    debugData: {
      action,
      risk: riskOf(verdict),
      ...(verdict.reported.grounds.length > 0 && { reportedRisk: riskOf(verdict.reported) }),
      ...(device !== undefined && { deviceId: device }),
      ...(session !== undefined && { sessionId: session }),
      ...((verdict.untimed ?? verdict.spared) !== undefined && { notes: verdict.notes.join(' ') }),
      askedBy: by.id,
    },
  })
}

/** A pseudo-map for searches with `co "level=HIGH"` (OKTA-L66). */
function riskOf({ level, grounds, groundsTotal }: Opinion): string {
  const more = groundsTotal - grounds.length
  const texts = [...grounds.map(({ text }) => text), ...(more > 0 ? [`And ${more} more.`] : [])]
  const reasons = inPseudoMap(texts.join(' '))
  return reasons === '' ? `{level=${level}}` : `{level=${level}, reasons=${reasons}}`
}
