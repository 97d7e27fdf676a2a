package auth

import (
	"encoding/base64"
	"net/http"
)

// Basic sends user and password as RFC 7617 has it.
func Basic(user, password Secret) Authenticator {
	encoded := func(values []string) string {
		return base64.StdEncoding.EncodeToString([]byte(values[0] + ":" + values[1]))
	}
	shown := func(values []string) []string { return []string{encoded(values), values[1]} }
	return constant{hold(shown, user, password), func(r *http.Request, values []string) {
		r.Header.Set("Authorization", "Basic "+encoded(values))
	}}
}
