"""What tests of the line share: a disk that loses power, a clock that is moved by hand, and a decider without a net."""
