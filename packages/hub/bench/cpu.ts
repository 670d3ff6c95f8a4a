import { readdirSync, readFileSync } from 'node:fs'

/** User and system time of processes and of their children that have ended, from /proc; 0 where there is none. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const [, user = 0, system = 0, usersChildren = 0, systemsChildren = 0] = statNumbers(pid)
    return sum + (user + system + usersChildren + systemsChildren) / ticksPerSecond
  }, 0)
}

/** MiB of memory that processes have for themselves or share, from /proc; 0 where there is none. */
export function residentMib(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const kib = /VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1]
    return sum + Number(kib ?? 0) / 1_024
  }, 0)
}

/** A process and the children that it has now. */
export function withChildren(pid: number): readonly number[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return [pid, ...all.map(Number).filter((other) => statNumbers(other)[0] === pid)]
}

const ticksPerSecond = 100

/** Parent, user time, system time, and the times of children that have ended. */
function statNumbers(pid: number): readonly number[] {
  const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? []
  return [1, 11, 12, 13, 14].map((at) => Number(fields[at] ?? 0))
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // it has ended, or this is not Linux
  }
}
