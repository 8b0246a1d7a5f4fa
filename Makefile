# Every target is one script, which can be run by itself.
.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-provision restart-matrix fresh bench module dist lint fmt check-abi

help:      ; @sed -n 's/^\([a-z-]*\): .*## /  make \1 \t/p' Makefile | expand -t 24  ## this list
demo:      ; @scripts/demo $(if $(KEEP),--keep) $(if $(MASTERS),--masters $(MASTERS))  ## a real Mesos cluster on loopback is upgraded (KEEP=1 leaves it running, MASTERS=3 has three)
test:      ; @scripts/test  ## everything that CI runs: formatting, lints, unit tests, live Mesos, end to end
test-long: ; @scripts/test --long  ## the same, and the tests that take many minutes
restart-matrix: ; @scripts/build && scripts/restart-matrix $(ARGS)  ## every way for a new set to be bad, times every fault (as root)
test-provision: ; @scripts/test-provision  ## agents on EC2: a campaign against moto, with faults and deaths (builds the SDK)
fresh:     ; @scripts/fresh  ## `make demo` and `make test` in a Debian root with empty caches (as root)
bench:     ; @scripts/bench  ## what is measured: sizes, switch, restart, endpoints
module:    ; @scripts/module  ## target/mesos/<version>/libdcos_bits.so for each Mesos version
dist:      ; @scripts/build && scripts/dist $(if $(EC2),--ec2)  ## the Debian package and the release archives, in target/dist (EC2=1 adds the provider for EC2)
lint:      ; @scripts/lint  ## formatting, clippy, licences and sources of dependencies
fmt:       ; @cargo fmt --all  ## format the Rust code
check-abi: ; @cpp/check-abi $(MESOS_ROOT)  ## compare cpp/abi with real headers (MESOS_ROOT=DIR)
