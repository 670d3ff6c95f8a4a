import { readdirSync, readFileSync } from 'node:fs'
import type { Server } from 'node:net'
import type { Logger } from '@watchbell/receiver/base'

/** Files that the process needs besides inbound connections: to transmitters, to the database, temporary ones. */
const reservedFiles = 32
const connectionsFew = 256
const saidEveryMs = 60_000

/**
 * Limits connections to what the process may open. A connection over the limit is closed without an answer and logged; a
 * low limit is logged at the start. Does nothing where the system gives no limit: only Linux does.
 */
export function boundConnections(server: Server, logger: Logger): void {
  const limit = openFilesMax()
  if (limit === undefined) return
  const opened = readdirSync('/proc/self/fd').length
  const connections = Math.max(4, limit - opened - reservedFiles)
  server.maxConnections = connections
  const cure = 'raise the limit of open files (ulimit -n, LimitNOFILE, --ulimit nofile)'
  if (connections < connectionsFew) {
    logger.warn(
      { limit, connections },
      `the process may open ${limit} files, which is room for ${connections} connections: ${cure}`,
    )
  }
  let dropped = 0
  let saidAt = -Infinity
  server.on('drop', () => {
    dropped += 1
    if (performance.now() - saidAt < saidEveryMs) return
    saidAt = performance.now()
    logger.warn(
      { dropped, connections },
      `connections were hung up on, because the process may not open more files: ${cure}; said again once a minute`,
    )
  })
}

/** Node.js has already raised the soft limit to the hard limit. */
function openFilesMax(): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}
