import { readFileSync, writeFileSync } from 'node:fs'
import { HubError, hubErrors, type HubErrorCode } from '../packages/hub/src/base/hub-error.ts'
import { settingEntries } from '../packages/hub/src/config/settings.ts'
import { oktaErrorAnswer } from '../packages/hub/src/http/okta-errors.ts'
import { openapiDocument } from '../packages/hub/src/http/openapi.ts'
import { setErrorAnswer } from '../packages/hub/src/http/set-errors.ts'
import { catalogue, type MetricEntry } from '../packages/hub/src/metrics/catalogue.ts'

// Writes the pages that are made from the code. With --check it only says whether they are as they would be made.
const pages: Readonly<Record<string, string>> = {
  'docs/errors.md': errorsPage(),
  'docs/configuration.md': configurationPage(),
  'docs/metrics.md': metricsPage(),
  'docs/openapi.json': `${JSON.stringify(openapiDocument(), undefined, 2)}\n`,
}

const check = process.argv.includes('--check')
let stale = 0
for (const [file, text] of Object.entries(pages)) {
  if (read(file) === text) continue
  stale += 1
  if (check) console.error(`${file} is not as the code makes it: run \`npm run docs\` and commit.`)
  else writeFileSync(file, text)
}
if (check && stale > 0) process.exitCode = 1

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function errorsPage(): string {
  const rows = (Object.entries(hubErrors) as [HubErrorCode, string][]).map(([code, meaning]) => {
    const error = new HubError(code)
    const set = setErrorAnswer(error)
    const okta = oktaErrorAnswer(error, '')
    const wire =
      code.startsWith('set.') && set !== undefined
        ? `${set.status} \`${set.body.err}\``
        : `${okta.status} \`${okta.body.errorCode}\``
    return `| \`${code}\` | ${wire} | ${meaning} |`
  })
  return `<!-- Made by scripts/generate-docs.ts from packages/hub/src/base/hub-error.ts. Do not edit. -->

# Errors

Every way the hub says no. \`code\` is what \`GET /v1/signals\` shows for a refused token and what the logs name. On the wire
it becomes a status with Okta's error code, or for a pushed token the \`err\` of RFC 8935 §2.4; \`oauth.*\` at the token
endpoint is \`{"error","error_description"}\` of RFC 6749 §5.2, as is a body that it does not take; a refused access token
says why in \`WWW-Authenticate\`.

| code | on the wire | meaning |
| --- | --- | --- |
${rows.join('\n')}
`
}

/** The page as it is, with the table in its place. */
function metricsPage(): string {
  const rows = Object.entries<MetricEntry>(catalogue).map(([name, { type, labels, help, shared }]) => {
    const labelled = labels.map((label) => `\`${label}\``).join(', ')
    return `| \`${name}\` | ${type}${shared === true ? ', _shared_' : ''} | ${labelled || '–'} | ${help} |`
  })
  const table = `
| metric | type | labels | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}

`
  return (read('docs/metrics.md') ?? '').replace(
    /(?<=catalogue\.ts: begin\. -->\n).*(?=<!-- end\. -->)/s,
    () => table,
  )
}

function configurationPage(): string {
  const rows = Object.values(settingEntries).map(
    ({ variable, flag, default: shown, meaning, secret }) =>
      `| \`${variable}\`${secret ? ` or \`${variable}_FILE\`` : ''} | \`--${flag}\`${secret ? ` or \`--${flag}-file\`` : ''} | ${shown ?? '–'} | ${meaning} |`,
  )
  return `<!-- Made by scripts/generate-docs.ts from packages/hub/src/config/settings.ts. Do not edit. -->

# Configuration

Every setting comes from the environment, from a file of \`NAME=value\` lines (\`watchbell serve --env-file FILE\`), or from
a flag. A flag beats the environment, which beats the file; an empty value counts as not set. A value that cannot be
read stops the start, and all such values are named at once. Each secret may also stand in a file that the same name with
\`_FILE\` behind it gives; line ends at the end of the file are no part of it. Give one of the two.

| variable | flag | default | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}

The commands that talk to a running hub read \`WATCHBELL_URL\` (where it is) and \`WATCHBELL_TOKEN\` or \`WATCHBELL_TOKEN_FILE\` (an API token).
`
}
