import type { FastifyInstance } from 'fastify'

/** How long requests under way have to end when the hub stops: half of the 10 seconds it has, the other half is the storage's. */
export const drainMaxMs = 5_000

/** Takes no more requests, lets those under way end, and hangs up on whoever has not come to an end by then. */
export async function drain(server: FastifyInstance, maxMs: number = drainMaxMs): Promise<void> {
  const overdue = setTimeout(() => server.server.closeAllConnections(), maxMs)
  try {
    await server.close()
  } finally {
    clearTimeout(overdue)
  }
}
