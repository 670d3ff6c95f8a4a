import { printable, quoted } from '@watchbell/receiver/base'
import { impersonates, looksLikeUs } from './impersonation.ts'

/** Words with single spaces between them, perhaps with a full stop or an apostrophe inside; no end of a sentence. */
const plainName = /^[\w()&+/-]+(?:[ .'][\w()&+/-]+)*$/
/** Texts that our sentences put beside a source's name: a name with one of them could pass for two sentences. */
const ownVerbs = /\b(?:says|said|revoked|of the (?:user|device|session|address))\b/i

/** Longer names are cut; names that may be registered are shorter. */
const nameCharsMax = 255

/**
 * The name of a source as the subject of one of our sentences. An ordinary name is unchanged; one that could be read as
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
