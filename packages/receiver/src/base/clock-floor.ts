import type { ReceiverWorld } from './receiver-world.ts'

/** The earliest time that it can be, from all times that the hub has seen: a clock that shows less was set back. */
export interface ClockFloor {
  /** Milliseconds since 1970. */
  at(): Promise<number>
}

export interface ClockFloorDeps {
  readonly world: Pick<ReceiverWorld, 'now' | 'monotonicMs'>
  /** Times that other nodes or earlier runs of this hub have seen; read for each check. */
  readonly seen: () => Promise<readonly (Date | undefined)[]>
}

/** Records this clock now, at the start of a hub, and with every check. */
export function createClockFloor({ world, seen }: ClockFloorDeps): ClockFloor {
  /** The difference between the latest time of all clocks and the time elapsed since the process began. */
  let offset = world.now().getTime() - world.monotonicMs()
  const note = (time: number): void => {
    offset = Math.max(offset, time - world.monotonicMs())
  }
  return {
    async at() {
      note(world.now().getTime())
      for (const time of await seen()) if (time !== undefined) note(time.getTime())
      return offset + world.monotonicMs()
    },
  }
}
