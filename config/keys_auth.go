package config

import "time"

// receiverAuthKeys are the ways that receivers know, too.
func receiverAuthKeys() []key {
	return []key{
		{"bearer", secret(), none, "A token, sent as Authorization: Bearer TOKEN."},
		{"scheme", text(), "Bearer", "Another first word for bearer, such as Token."},
		{"basic", table(
			key{"user", secret(), required, "The user."},
			key{"password", secret(), required, "The password."},
		), none, "A user and a password."},
	}
}

func authKeys() []key {
	return append(receiverAuthKeys(), []key{
		{"header", anyNames(secret()), none, "Headers that hold the key."},
		{"query", anyNames(secret()), none, "Query parameters that hold the key."},
		{"oauth2", table(
			key{"token_url", text(), required, "Where tokens are handed out."},
			key{"client_id", secret(), required, "Who we are there."},
			key{"client_secret", secret(), none, "Our secret there; required without refresh_token."},
			key{"scopes", list(text()), none, "What the token is asked for."},
			key{"refresh_token", secret(), none, "Somebody's consent, from which tokens are obtained."},
			key{"params", anyNames(secret()), none, "Further parameters of that request."},
		), none, "A token that larder obtains and renews by itself."},
		{"login", table(
			key{"path", text(), required, "Where the login is posted to; it is appended to the owner's url."},
			key{"headers", anyNames(secret()), none, "Headers of the login."},
			key{"body", anyNames(anything()), none, "What is posted, as JSON: a table, whose texts are secrets."},
			key{"form", anyNames(secret()), none, "What is posted, as a form."},
			key{"token", place(), required, "Where the answer holds the token: a path, header:NAME or cookie:NAME."},
			key{"expires", either(duration(time.Second, years), place()), none, "How long the session lasts, or where the answer says so."},
			key{"header", text(), "Authorization", "In which header the token is sent."},
			key{"scheme", text(), none, "The word before the token: Bearer in Authorization, none elsewhere."},
		), none, "A session that larder begins by a request of its own."},
		{"hmac", table(
			key{"secret", secret(), required, "The key of the HMAC."},
			key{"secret_encoding", choice("text", "hex", "base64"), "text", "How secret is written."},
			key{"key", secret(), none, "What {key} stands for: the name of the secret."},
			key{"algorithm", choice("sha1", "sha256", "sha384", "sha512"), "sha256", "The hash."},
			key{"encoding", choice("hex", "base64"), "hex", "How the signature is written."},
			key{"sign", template(), required, "The text that is signed."},
			key{"header", either(text(), anyNames(template())), none, "The header of the signature, or a table of headers."},
			key{"query", either(text(), anyNames(template())), none, "The parameter of the signature, or a table of parameters."},
		), none, "A signature of each request."},
		{"sigv4", table(
			key{"region", text(), required, "The region of the service, such as eu-central-1."},
			key{"service", text(), required, "The service, such as s3 or execute-api."},
			key{"access_key", secret(), required, "The id of the key."},
			key{"secret_key", secret(), required, "The key."},
			key{"session_token", secret(), none, "What belongs to temporary keys."},
		), none, "A signature of each request as AWS has it."},
	}...)
}
