import type { World } from '../base/world.ts'
import { scopeOf, type Identifier } from '../subjects/identifier.ts'
import { join, type JoinDeps, type Joined, type JoinStatements } from '../subjects/join.ts'
import type { SubjectStore } from '../subjects/subject-store.ts'
import { admit, type Admission, type AdmissionDeps } from './admission.ts'
import type { RiskSnapshot } from './ledger.ts'
import { commit, plan, type StatementOutcome } from './plan.ts'
import type { RiskStore } from './risk-store.ts'
import { namesOf } from './statement-names.ts'
import type { Statement } from './statement.ts'

export interface StatementDeps extends AdmissionDeps {
  readonly subjects: JoinDeps['subjects'] & Pick<SubjectStore, 'loadedAmong' | 'entitiesSeeing' | 'withIds'>
  readonly risk: Pick<
    RiskStore,
    'states' | 'writeReasons' | 'dropReasons' | 'addHistory' | 'putLevels' | 'putRevocations'
  >
  readonly world: Pick<World, 'now' | 'newId'>
}

/**
 * Applies statements, in their order, to identities and risk. Runs inside a transaction; a batch of any size costs about
 * a dozen SQL statements.
 * @returns the outcome of each statement
 */
export async function applyStatements(
  deps: StatementDeps,
  statements: readonly Statement[],
): Promise<readonly StatementOutcome[]> {
  const { judge } = deps
  const admissions = await admit(deps, statements)
  const admitted = admissions.filter((admission) => 'statement' in admission)
  const joined = await join(
    { ...deps, claimantOf: judge.claimantOf, believed: judge.believed },
    joinedBy(admitted),
  )
  const snapshot = await readSnapshot(
    deps,
    joined,
    admitted.map(({ statement }) => statement),
  )
  const { outcomes, changes } = plan(admissions, snapshot)
  await commit(deps.risk, changes, snapshot.now)
  return outcomes
}

/** The claims and endings of statements. */
function joinedBy(admitted: readonly Extract<Admission, { statement: Statement }>[]): JoinStatements {
  const statements = admitted.map(({ statement }) => statement)
  return {
    identifiers: new Set(
      statements.flatMap(({ things, endings }) => [
        ...things.flatMap(({ identifiers }) => identifiers),
        ...endings.flatMap(({ identifier, successor }) =>
          successor === undefined ? [identifier] : [identifier, successor],
        ),
      ]),
    ),
    vouched: vouchedIn(statements),
    claims: admitted.flatMap(({ claims }) => claims),
    endings: statements.flatMap(({ endings, source, claimedAt, occurredAt }) =>
      endings.map((ending) => ({ ...ending, source: source.id, at: (claimedAt ?? occurredAt).getTime() })),
    ),
    withdrawn: statements.flatMap(({ withdraws = [] }) => withdraws),
  }
}

/** A provider vouches for ids of its own issuer, an administrator for all identifiers of a loaded user. */
function vouchedIn(statements: readonly Statement[]): ReadonlyMap<Identifier, string> {
  const vouched = new Map<Identifier, string>()
  for (const { source, issuer, loadedAs, things } of statements) {
    if (issuer === undefined && loadedAs === undefined) continue
    for (const { identifiers } of things) {
      for (const identifier of identifiers) {
        const scope = scopeOf(identifier)
        if (scope !== undefined && (loadedAs !== undefined || scope === issuer))
          vouched.set(identifier, source.id)
      }
    }
  }
  return vouched
}

async function readSnapshot(
  { subjects, risk, judge, world }: StatementDeps,
  joined: Joined,
  statements: readonly Statement[],
): Promise<RiskSnapshot> {
  const named = new Set<number>()
  const touched = new Set(joined.changed)
  for (const { things, reasons } of statements) {
    for (const { identifier } of reasons) {
      for (const name of namesOf(things, identifier)) {
        const known = joined.nodes.get(name)
        if (known === undefined) continue
        named.add(known.node)
        touched.add(known.entity)
      }
    }
  }
  if (named.size > 0) for (const entity of await subjects.entitiesSeeing([...named])) touched.add(entity)
  return {
    joined,
    states: touched.size === 0 ? [] : await risk.states([...touched]),
    judge,
    now: world.now(),
  }
}
