#!/usr/bin/env bash
# Runs the library under the model checker, then puts defects into a copy of the code, one at a time, and
# demands that the model checker finds each: a check that has never been seen to fail proves nothing.
#   scripts/controls.sh
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then sed -n '2,4s/^# //p' "$0"; exit; fi
source "$(dirname "$0")/common.sh"

need git 'install it, for instance `apt-get install git`: it lists the files to copy'

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files --cached --others --exclude-standard -z | xargs -0 cp --parents --target-directory "$copy"
export CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")/controls
export RUSTFLAGS='--cfg loom'
failed=0

# models [TEST]: runs all models, or the one of this name.
models() {
    (cd "$copy" && timeout 300 cargo test --quiet --release --package semring --lib "loom_tests::${1:-}") >"$copy/log" 2>&1
}

# control NAME TEST FILE SED-SCRIPT [PART]: the test must fail once the script has changed the file, which
# then has that part in it.
control() {
    local name=$1 test=$2 file=crates/semring/src/$3 script=$4 part=${5:-}
    cp "$file" "$copy/$file"
    sed -E -i "$script" "$copy/$file"
    if cmp -s "$file" "$copy/$file" || ! grep -qF -- "$part" "$copy/$file"; then
        echo "NOT APPLIED  $name: the script does not fit $file any more"
        failed=1
    elif models "$test"; then
        echo "NOT FOUND    $name"
        failed=1
    elif ! grep -q 'test result: FAILED\|panicked' "$copy/log"; then
        echo "NOT BUILT    $name"
        tail -n 20 "$copy/log"
        failed=1
    else
        echo "found        $name"
    fi
    cp "$file" "$copy/$file"
}

if ! models; then
    tail -n 40 "$copy/log"
    echo 'controls.sh: the models fail without a defect' >&2
    exit 1
fi
grep 'test result' "$copy/log"
control 'no death notice' a_producer_dies_for_good semaphores/modelled.rs '/undo\[self.process\]\[notice\] \+= 1;/d'
control 'no truth first' a_producer_dies_for_good gate/strict.rs 's/granted \|\| self\.semaphores\.is_free\(V::ROLE\.peer\(\)\)\?/granted/'
control 'no role test before sleeping' a_producer_dies_for_good gate.rs 's/if !semaphores\.is_free\(V::ROLE\.peer\(\)\)\?/if true/'
control 'post before commit' a_ring_of_one_slot producer.rs '/^        view\.ring\.commit\(view\.tail\);/d; s/^        let posted = self\.gate\.post\(&self\.view, count\);.*/&\n        self.view.ring.commit(self.view.tail);/' 'self.view.ring.commit(self.view.tail)'
control 'post before acknowledge' a_ring_of_one_slot consumer.rs '/^        view\.ring\.acknowledge\(view\.head\);/d; s/^        let posted = self\.gate\.post\(&self\.view, count\);.*/&\n        self.view.ring.acknowledge(self.view.head);/' 'self.view.ring.acknowledge(self.view.head)'
control 'no repair' a_ring_of_one_slot recovery.rs 's/Sync::Strict => repair\(semaphores, ring\),/Sync::Strict => Ok(()),/'
control 'EMPTY repaired in the wrong order' a_permit_dies_in_hand recovery.rs 's/^    let tail = ring\.tail\(\);/    let early_head = ring.head();/; s/tail\.wrapping_sub\(ring\.head\(\)\)/ring.tail().wrapping_sub(early_head)/'
control 'FULL repaired in the wrong order' a_consumer_dies_and recovery.rs 's/^    let head = ring\.head\(\);/    let early_tail = ring.tail();/; s/ring\.tail\(\)\.wrapping_sub\(head\)/early_tail.wrapping_sub(ring.head())/'
control 'commit without Release' a_ring_of_one_slot ring.rs 's/position\.store\(tail, Ordering::Release\)/position.store(tail, Ordering::Relaxed)/; /\.position$/{N;N}; s/\.store\(tail, Ordering::Release\)/.store(tail, Ordering::Relaxed)/'
control 'acknowledge without Release' a_ring_of_two_slots ring.rs 's/\.store\(head, Ordering::Release\)/.store(head, Ordering::Relaxed)/'
control 'tail loaded without Acquire' a_ring_of_one_slot ring.rs '/COMMIT \(with Ring::commit\)/,/^    \}/s/Ordering::Acquire/Ordering::Relaxed/'
control 'head loaded without Acquire' a_ring_of_two_slots ring.rs '/ACKNOWLEDGE \(with Ring::acknowledge\)/,/^    \}/s/Ordering::Acquire/Ordering::Relaxed/'
control 'verdict on an old position' a_producer_dies_for_good gate.rs 's/^    if view\.ready\(\)\? > credits \{/    if false {/'
control 'verdict without the second look at the word' a_producer_dies_while gate.rs 's/if view\.peer_word\(\) == word \{/if true {/'
control 'adaptive: no death notice' an_adaptive_producer_dies_for_good semaphores/modelled.rs '/undo\[self.process\]\[notice\] \+= 1;/d'
control 'adaptive: no role test before sleeping' an_adaptive_producer_dies_for_good gate.rs 's/if !semaphores\.is_free\(V::ROLE\.peer\(\)\)\?/if true/'
control 'adaptive: no fence of the publisher' an_adaptive_ring_of_one_slot gate/adaptive.rs '/SYNC POINT: WAITING \(with sleep_until\)/{n;d}'
control 'adaptive: no fence of the sleeper' an_adaptive_ring_of_one_slot gate/adaptive.rs '/SYNC POINT: WAITING \(with post\)/{n;d}'
control 'adaptive: no look after the flag is set' an_adaptive_ring_of_one_slot gate/adaptive.rs '/^    fn last_look/,/^    \}/s/if view\.ready\(\)\? > more_than \{/if false {/'
control 'adaptive: flag not set anew after a worthless unit' an_adaptive_ring_of_two_slots gate/adaptive.rs 's/^            view\.side\(\)\.arm\(\);/            if !std::mem::replace(\&mut armed, true) { view.side().arm(); }/; /^    fn sleep_until/,/^        loop/s/^        loop/        let mut armed = false;\n        loop/'
exit "$failed"
