import { printable, quoted } from '@watchbell/receiver/base'
import { impersonates, looksLikeUs } from './impersonation.ts'

/** Words with single spaces between them, or a full stop or an apostrophe within one; nothing that ends a sentence. */
const plainName = /^[\w()&+/-]+(?:[ .'][\w()&+/-]+)*$/
/** What our own sentences do with a source's name: a name that does it too would be two. */
const ownVerbs = /\b(?:says|said|revoked|of the (?:user|device|session|address))\b/i

/** Longer names are cut; what may be registered is shorter. */
const nameCharsMax = 255

/**
 * The name of a source as the subject of a sentence of ours. An ordinary name stays as it is; one that could be read as
 * anything but a name (as ours, as an administrator, as a sentence, in letters that look like others) is {@link quoted}.
 */
export function nameInSentence(name: string): string {
  const letters = name.normalize('NFD').replace(/\p{M}/gu, '')
  const plain =
    name.length <= nameCharsMax &&
    plainName.test(letters) &&
    !ownVerbs.test(letters) &&
    !looksLikeUs(name) &&
    !impersonates(name)
  return plain ? printable(name, nameCharsMax) : quoted(name, nameCharsMax)
}
