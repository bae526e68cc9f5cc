//go:build linux

// Package enforcer makes the kernel hold tasks to a policy: it publishes the policy's image to programs that decide each
// access themselves, keeps them pinned so that they outlive this process, and reads what they refused.
//
// It decides nothing: the programs execute the image as package verdict does. It refuses to enforce what it could not attach,
// and says so; and it changes nothing of what is in force before all that the next state needs is there.
package enforcer
