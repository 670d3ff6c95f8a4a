import { once } from 'node:events'
import { createServer } from 'node:net'
import { randomInt } from 'node:crypto'

/** Below the ports that Linux, macOS and Windows give to outgoing connections and to whoever asks for any port. */
const ports = { lowest: 10_000, highest: 32_000 } as const
const triesMax = 50

/**
 * A port of this machine that is free now, for programs that must be told theirs. Nobody is given it by chance while such a
 * program starts, or is started again: it is outside of the range of which the system gives.
 */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < triesMax; tried += 1) {
    const port = randomInt(ports.lowest, ports.highest)
    if (await isFree(port)) return port
  }
  throw new Error(`None of ${triesMax} ports between ${ports.lowest} and ${ports.highest} was free.`)
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, '127.0.0.1')
  try {
    await once(probe, 'listening')
  } catch {
    return false
  }
  probe.close()
  await once(probe, 'close')
  return true
}
