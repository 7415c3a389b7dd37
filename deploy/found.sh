#!/bin/sh
# Founds a network of four validators below a directory: a home for each, a faucet, one genesis for all.
# What is there already is kept, so running it again, also after a crash in the middle, is harmless.
set -eu
root=${1:?usage: found.sh DIRECTORY}
umask 077

read_key() { # the public key of a key file
  tangle --json key show "$1" | sed -n 's/.*"public_key": *"\([0-9a-f]*\)".*/\1/p'
}

[ -e "$root/faucet.key" ] || tangle --quiet key new faucet --chain devnet --output "$root/faucet.key" > /dev/null
set --
for index in 0 1 2 3; do
  tangle --quiet init --home "$root/node-$index" --network devnet --validator > /dev/null
  set -- "$@" --validator "$(read_key "$root/node-$index/validator.key")"
done
if [ ! -e "$root/genesis.cbor" ]; then
  rm -f "$root/genesis.new"
  tangle --quiet genesis new --name devnet --preset devnet "$@" \
    --faucet "$(read_key "$root/faucet.key")" --output "$root/genesis.new" > /dev/null
  mv "$root/genesis.new" "$root/genesis.cbor"
fi
for index in 0 1 2 3; do
  tangle --quiet init --home "$root/node-$index" --network devnet --validator \
    --genesis "$root/genesis.cbor" > /dev/null
done
