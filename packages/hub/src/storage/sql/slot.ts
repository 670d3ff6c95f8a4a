/** The place of a value that a fixed statement is given each time it runs. */
export class Slot {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}
