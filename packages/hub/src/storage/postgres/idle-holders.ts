import type { PostgresConnection, PostgresPool } from './pool.ts'

/** The time between two checks of what a statement waits for. A session that is idle at both is ended. */
export const lookIntervalMs = 1_000

interface Holder {
  readonly pid: number
  readonly since: string
  readonly ended: boolean
}

/**
 * Finds sessions of hubs (our role and application name) that block a session, directly or through others, and that wait for their own client. Ends
 * those that were already waiting at the previous check and got no statement since; their transactions are rolled back.
 */
const endIdleHolders = `
  WITH RECURSIVE holders (pid) AS (
    SELECT unnest(pg_blocking_pids($1)) UNION SELECT unnest(pg_blocking_pids(holders.pid)) FROM holders
  ), idle AS MATERIALIZED (
    SELECT a.pid, a.state_change::text AS since FROM pg_stat_activity a
      WHERE a.pid IN (SELECT pid FROM holders) AND a.usename = current_user AND a.datname = current_database()
        AND a.application_name = current_setting('application_name')
        AND a.wait_event IN ('ClientRead', 'ClientWrite')
  )
  SELECT pid, since, CASE
    WHEN (pid, since) IN (SELECT * FROM unnest($2::int[], $3::text[])) THEN pg_terminate_backend(pid) ELSE false
  END AS ended FROM idle`

/**
 * Runs `work` on a connection, and meanwhile ends sessions that block it while their own client, a node that hangs or has
 * vanished, sends them nothing. Active sessions are waited for.
 *
 * @param looking - a pool for the checks; its connections wait for no locks of `work`
 * @param onEnded - called with the process ids of ended sessions
 */
export async function endingIdleHolders<T>(
  connection: PostgresConnection,
  looking: PostgresPool,
  work: () => Promise<T>,
  onEnded?: (pids: readonly number[]) => void,
): Promise<T> {
  const pid = await connection.pid()
  let idle: readonly Holder[] = []
  let timer: NodeJS.Timeout | undefined
  let isDone = false
  const look = async (): Promise<void> => {
    const parameters = [pid, idle.map((holder) => holder.pid), idle.map(({ since }) => since)]
    const { rows } = await looking.run((from) => from.run(endIdleHolders, parameters))
    idle = rows as readonly Holder[] // the columns of the statement
    const ended = idle.filter((holder) => holder.ended)
    if (ended.length > 0) onEnded?.(ended.map((holder) => holder.pid))
  }
  const lookLater = (): void => {
    timer = setTimeout(() => {
      look()
        .catch(() => undefined) // the time limits of `work` still apply
        .finally(() => {
          if (!isDone) lookLater()
        })
    }, lookIntervalMs)
  }
  lookLater()
  try {
    return await work()
  } finally {
    isDone = true
    clearTimeout(timer)
  }
}
