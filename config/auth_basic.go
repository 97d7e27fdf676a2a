package config

func (s section) basic(n *node, a *Auth) {
	b, ok := s.r.section(n)
	if !ok {
		return
	}
	if b.need("user", `user = "${USER_NAME}"`) != nil {
		b.secret("user", &a.User)
	}
	if b.need("password", `password = "${PASSWORD}"`) != nil {
		b.secret("password", &a.Password)
	}
}
