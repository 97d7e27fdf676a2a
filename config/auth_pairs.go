package config

// The two kinds that are names with secrets: headers and query parameters.

func (s section) authHeader(n *node, a *Auth) { a.Values = s.r.credentials(n, true) }

func (s section) authQuery(n *node, a *Auth) { a.Values = s.r.credentials(n, false) }
