package main

// niceness maps the original's thread_priority to nice values.
func niceness(threadPriority int) int {
	switch threadPriority {
	case -1:
		return 5
	case -2:
		return 10
	case -15:
		return 19
	}
	return 0
}
