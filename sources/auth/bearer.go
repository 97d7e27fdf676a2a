package auth

import "net/http"

// Bearer sends "Authorization: SCHEME TOKEN".
func Bearer(scheme string, token Secret) Authenticator {
	return constant{hold(nil, token), func(r *http.Request, values []string) {
		r.Header.Set("Authorization", scheme+" "+values[0])
	}}
}
