import { CompiledQuery } from 'kysely'

/** A cell to be stored. */
export type Cell = string | number | null

/** Rows in one statement. */
const rowsMax = 1_024

/** SQLite prepares statements of these sizes only; surplus rows are null. */
const sizes = [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, rowsMax] as const

/**
 * A statement over up to {@link rowsMax} rows of cells, bound one by one: SQLite reads bound cells several times faster
 * than JSON.
 * @param text - gets a VALUES clause. Rows whose first column is null are padding.
 */
export function sizedStatement(
  columns: number,
  text: (values: string) => string,
): (rows: readonly (readonly Cell[])[]) => CompiledQuery {
  const row = `(${Array<string>(columns).fill('?').join(', ')})`
  const texts = new Map<number, string>()
  return (rows) => {
    const size = sizes.find((size) => size >= rows.length) ?? rowsMax
    let statement = texts.get(size)
    if (statement === undefined) {
      texts.set(size, (statement = text(`VALUES ${Array<string>(size).fill(row).join(', ')}`)))
    }
    const parameters = rows.flat()
    while (parameters.length < columns * size) parameters.push(null)
    return CompiledQuery.raw(statement, parameters)
  }
}

/** Splits rows into parts that such a statement takes. */
export function* inParts<Row>(rows: readonly Row[]): Generator<readonly Row[]> {
  for (let at = 0; at < rows.length; at += rowsMax) yield rows.slice(at, at + rowsMax)
}
