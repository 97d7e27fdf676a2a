package alert

import "time"

// SetJitter replaces what waits are drawn by, so that a test knows them.
func (d *Desk) SetJitter(jitter func(time.Duration) time.Duration) { d.jitter = jitter }
