# The commands people expect. Everything behind them is cargo.
.PHONY: build test demo

build:
	cargo build --release

test:
	cargo xtask test

demo:
	cargo run -- demo
