const untrusted = /^(?:SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|CERT_UNTRUSTED)/

/** Why a connection to PostgreSQL failed, and how to correct the SSL settings when they are the reason. */
export function connectionProblem(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const code = 'code' in cause ? String(cause.code) : ''
  const said = cause.message || code || cause.name // some system errors have a code and no message
  if (/does not support SSL/i.test(said)) {
    return 'the server speaks no SSL, which WATCHBELL_DATABASE_URL asks for: switch ssl on at the server, or take sslmode out of the URL'
  }
  if (untrusted.test(code)) {
    return `the certificate of the server is by an authority that is not trusted here (${code}): name the authority in WATCHBELL_CA_FILE, or by sslrootcert in the URL`
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the certificate of the server is for another host than the URL names: ${said}`
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return `the certificate of the server is not valid now (${code})`
  }
  if (code === '28000' && /no encryption|SSL off/i.test(said)) {
    return `the server wants SSL: add sslmode=verify-full to the URL (${said})`
  }
  return said
}
