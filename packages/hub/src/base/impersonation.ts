/** Letters and digits that look like a Latin letter, lower case, after NFKD. */
const lookalikes: ReadonlyMap<string, string> = new Map(
  Object.entries({
    a: 'аɑαᴀ@4ⲁꭺꓮ𐊠',
    b: 'ЬьвβʙɓᏼᏏƅ8ꓐ',
    c: 'сϲᴄⅽⲥꓚꮯ¢',
    d: 'ԁɗđðⅾᴅꓒꭰᏧ',
    e: 'еёєεᴇɛҽ3ⲉꓰꭼ℮',
    h: 'һнηʜհᏂⲏꓧꮋɦ',
    i: 'іїιɩıɪ1|!ⅰӏ¡ꓲⲓǀ∣ߊ',
    l: 'ʟⅼⳑꓡꮮł£ɭ',
    m: 'мμᴍⅿⲙꓟꮇɱ',
    n: 'ոпռɴηиⲛꓠŋɲո',
    o: 'оοօ0ᴏøσⲟꓳ𐐬ဝ',
    r: 'гʀᴦяⲅꓣꭱᏒɾɼ',
    s: 'ѕꜱʂ5$ⲋꓢꮪƽ',
    t: 'тτᴛⲧꓔꭲ7†+ŧƭ',
    u: 'υսᴜцʋꓴ',
    w: 'ѡωաᴡԝшꓪꮃⱳ',
    y: 'уүγʏყⲩꓬ',
  }).flatMap(([latin, letters]) => Array.from(letters.toLowerCase(), (letter) => [letter, latin] as const)),
)

/** The hub's names for itself and for administrators, as {@link skeleton} writes them: no source may have one. */
const ours: ReadonlySet<string> = new Set(
  [
    'An administrator',
    'Administrator',
    'The administrator',
    'Administrators',
    'The administrators',
    'An admin',
    'Admin',
    'The admin',
    'Watchbell',
    'The hub',
    'System',
  ].map(skeleton),
)
const administrator = skeleton('administrator')
const watchbell = skeleton('watchbell')

/** Why such a name is refused: the problem of a field. */
export const nameImpersonates =
  'The field name is not valid. It reads as an administrator or the hub itself; give the source a name of its own'

/** Whether a name can be mistaken for an administrator or the hub, whatever its letters, case, spaces and marks. */
export function impersonates(name: string): boolean {
  return ours.has(skeleton(name))
}

/** Whether the text contains a name of an administrator or the hub. */
export function looksLikeUs(name: string): boolean {
  const shape = skeleton(name)
  return shape.includes(administrator) || shape.includes(watchbell)
}

/**
 * The look of a name: letters only, without case, accents, spaces, marks and invisible characters, and each
 * letter that looks like a Latin one replaced by it (after Unicode's confusables, UTS #39, for the letters of {@link ours}).
 */
function skeleton(name: string): string {
  const letters = name.normalize('NFKD').toLowerCase().normalize('NFKD')
  const latin = Array.from(letters, (letter) => lookalikes.get(letter) ?? letter).join('')
  return latin
    .replace(/[^\p{L}]/gu, '')
    .replaceAll('rn', 'm')
    .replaceAll('vv', 'w')
    .replaceAll('cl', 'd')
    .replaceAll('l', 'i')
    .replaceAll('j', 'i')
}
