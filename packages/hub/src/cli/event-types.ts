import { eventCatalogue } from '@watchbell/receiver/events'
import { findEventType } from '../testing/set-draft.ts'
import { wrongUsage } from './cli-io.ts'

/** The URI of an event type, given by name or URI. @throws CliError for an unknown name */
export function typeUri(name: string): string {
  const known = findEventType(name)?.type
  if (known !== undefined) return known
  if (/^[a-z][a-z0-9+.-]*:\S+$/i.test(name)) return name
  const close = eventCatalogue.filter(
    (entry) => entry.name.includes(name) || sharedWords(entry.name, name) > 1,
  )
  const hint =
    close.length === 0
      ? ''
      : ` Did you mean ${close
          .map((entry) => entry.name)
          .slice(0, 3)
          .join(' or ')}?`
  throw wrongUsage(
    `There is no event type '${name}'.${hint} \`watchbell send --list\` shows them all; any URI may be given.`,
  )
}

function sharedWords(one: string, other: string): number {
  const words = new Set(one.split('-'))
  return other.split('-').filter((word) => words.has(word)).length
}
