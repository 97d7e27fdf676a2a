package config

import "time"

func alertKeys() []key {
	return []key{
		{"kind", choice(alertKinds()...), required, "What kind of receiver this is."},
		{"url", secret(), none, "Where messages are posted to: of webhook, slack, teams, discord, ntfy and pagerduty."},
		{"urls", oneOrMore(secret()), none, "Every Alertmanager of the cluster, or a list of them."},
		{"secret", oneOrMore(secret()), none, "What the messages of a webhook are signed with: whsec_ and base64; a list while it is replaced."},
		{"auth", whole(receiverAuthKeys()...), none, "Who we are to a webhook, or to every Alertmanager: exactly one of the ways."},
		{"routing_key", secret(), none, "The integration key of a PagerDuty service."},
		{"topic", secret(), none, "The topic at ntfy."},
		{"token", secret(), none, "The access token at ntfy."},
		{"smtp", secret(), none, "The mail server: smtp://USER:PASSWORD@HOST:587, which has to offer STARTTLS, or smtps:// where TLS comes first."},
		{"from", text(), none, "The sender of mails."},
		{"to", oneOrMore(text()), none, "Who gets the mails: an address, or a list of them."},
		{"command", some(text()), none, "The program that is run, with its arguments; the message comes on its standard input as JSON."},
		{"levels", some(choice(AlertWarn, AlertCritical)), []string{string(AlertWarn), string(AlertCritical)}, "Which levels are told."},
		{"tables", oneOrMore(text()), none, "Globs over the names of tables; all unless said."},
		{"consumers", oneOrMore(text()), none, "Globs over the names of consumers; all unless said."},
		{"repeat", table(
			key{"warn", duration(0, 30*day), "4h", "How often a warning that goes on is told again; 0s: never."},
			key{"critical", duration(0, 30*day), "1h", "How often a critical staleness that goes on is told again; 0s: never."},
		), none, "Reminders."},
		{"resolved", flag(), true, "false: nothing is said when a copy is fresh again."},
		{"group", duration(0, time.Hour), "30s", "How long alerts are gathered into one message; 0s: each goes at once."},
		{"fallback", text(), none, "Another [alert.NAME], which gets what this one cannot be told."},
		{"hours_off", oneOrMore(table(
			key{"from", text(), required, "When the hours begin: HH:MM."},
			key{"to", text(), required, "When they end: HH:MM, 24:00 too; before from it is of the next day."},
			key{"days", some(choice(weekdays()...)), weekdays(), "On which days they begin."},
			key{"timezone", text(), none, "Of both; that of [larder] unless said."},
		)), none, "When nothing is sent; what still is so afterwards is told then."},
	}
}

func maintenanceKeys() []key {
	return []key{
		{"tables", oneOrMore(text()), none, "Globs over the names of tables; all unless said."},
		{"schedule", text(), required, "When it begins: a cron spec."},
		{"duration", duration(time.Minute, 30*day), required, "How long it takes."},
	}
}

func nudgeKeys() []key {
	return []key{
		{"source", text(), none, "What is polled; the only source, or the one of the nudge's name unless said."},
		{"secret", oneOrMore(secret()), required, "By what the sender proves itself; a list while it is replaced."},
		{"kind", choice(NudgeStandard, NudgeBearer, NudgeGitHub, NudgeStripe), string(NudgeStandard), "How: a signature by Standard Webhooks, a bearer token, or the signature of GitHub or Stripe."},
		{"debounce", duration(0, time.Hour), "1s", "How long further nudges are waited for before the poll."},
	}
}
