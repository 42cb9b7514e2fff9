package main

import (
	"os"
	"runtime/debug"

	"cmu-gateway/internal/settings"
)

// beside is what the process takes beside CMU_MEMORY: bodies that are kept, what is being written, connections.
const beside = 96 << 20

// limitMemory has the garbage collector work harder rather than let the process grow far beyond what it is to have. It is no bound that
// anything fails at. GOMEMLIMIT wins.
func limitMemory(memory settings.Bytes) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(memory) + beside)
	}
}
