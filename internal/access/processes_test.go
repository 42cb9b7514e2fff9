package access

const childDir = "CMU_TEST_CHILD_DIR"

func child() int { return 0 }
