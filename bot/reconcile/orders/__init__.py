"""What people order, as pure functions: control and memory in; control, answer and news out."""
