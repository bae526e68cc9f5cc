package activity

import "os"

// trampolines says which rung to test.
func trampolines() bool { return os.Getenv("STOCKADE_TEST_TRAMPOLINES") != "" }
