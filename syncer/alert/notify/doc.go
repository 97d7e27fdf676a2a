// Package notify delivers alerts: each kind of receiver fits a message into its
// format and its limits, sends it once, and says what became of it. It may touch
// the receiver, and nothing else: it decides nothing, waits for nothing, and
// remembers nothing that must not be lost.
//
// What owners say is data in a message: it can mention nobody, mark nothing up
// and break no line. What receivers say is shown in one bounded line without our
// secrets, and an address that whoever knows it may write to is a secret.
package notify
