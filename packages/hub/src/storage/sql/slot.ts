/** The place of a value in a fixed statement. */
export class Slot {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}
