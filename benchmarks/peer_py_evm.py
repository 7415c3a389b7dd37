"""A chain of py-evm in one process, to run beside ours: ``PYTHON peer_py_evm.py COUNT``, with eth-tester in
``PYTHON``'s packages. Prints one JSON object.

Transfers are signed beforehand; each is decoded, its secp256k1 signature recovered, executed and put in a
block of its own, in memory: no network, no committee, no disk.
"""

import json
import sys
import time
from importlib import import_module


def main(count: int) -> None:
    """Send ``count`` transfers one after the other."""
    tester_module, accounts = import_module("eth_tester"), import_module("eth_account")
    backend = tester_module.PyEVMBackend()
    tester = tester_module.EthereumTester(backend)
    payer = accounts.Account.from_key(backend.account_keys[0].to_bytes())
    signed = []
    for number in range(count):
        fields = {
            "nonce": number,
            "gas": 21_000,
            "gasPrice": 10**10,
            "to": "0x" + "11" * 20,
            "value": 1,
            "chainId": backend.chain.chain_id,
        }
        signed.append("0x" + payer.sign_transaction(fields).raw_transaction.hex().removeprefix("0x"))
    latencies_s = []
    begun_s = time.perf_counter()
    for each in signed:
        sent_s = time.perf_counter()
        tester.send_raw_transaction(each)
        latencies_s.append(time.perf_counter() - sent_s)
    elapsed_s = time.perf_counter() - begun_s
    assert tester.get_nonce(payer.address) == count, "all were executed"
    ordered = sorted(latencies_s)
    print(
        json.dumps(
            {
                "per_s": count / elapsed_s,
                "p50_ms": ordered[count // 2] * 1_000,
                "p95_ms": ordered[count * 95 // 100] * 1_000,
                "bytes": len(signed[0]) // 2 - 1,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
