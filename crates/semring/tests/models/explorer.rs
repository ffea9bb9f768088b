//! Explores a small model completely: every interleaving of its steps, breadth first.
//!
//! Two sorts of steps. *Ordinary* ones are what the processes do by themselves. The *surroundings*
//! are what befalls them: a kill, a successor, a deadline, somebody's `ipcrm`. All of them are
//! explored, but only ordinary steps count as a way out: a wait that ends only because somebody is
//! killed is a hang.
//!
//! Three things can be wrong:
//!
//! * a state that violates something;
//! * a *bad rest*: no ordinary step is left, and yet the processes should not rest here;
//! * a *hopeless* state: ordinary steps lead on, but to no good rest, ever.
//!
//! Written for a build without optimization: a table of its own, since the standard map's code is
//! generic and hence compiled as slowly as the model itself, and no sorting.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::time::Instant;

/// Describes what there is to explore.
pub trait Model {
    /// All of the shared memory, the kernel's objects, the processes and what is noted about them.
    type State: Copy + Eq + Hash + Debug;

    /// The state in which everything begins.
    fn start(&self) -> Self::State;

    /// Every ordinary step out of a state.
    fn steps(&self, state: &Self::State, steps: &mut Steps<Self::State>);

    /// Everything that may befall the processes in a state.
    fn surroundings(&self, state: &Self::State, steps: &mut Steps<Self::State>);

    /// What is wrong with a state, if anything. Nothing beyond such a state is explored.
    fn violation(&self, state: &Self::State) -> Option<&'static str>;

    /// Whether the processes may rest here, where no ordinary step is left.
    fn good_rest(&self, state: &Self::State) -> bool;
}

/// Collects the steps out of one state, each with the name it has in a trace.
pub struct Steps<S> {
    found: Vec<(&'static str, S)>,
}

impl<S> Steps<S> {
    /// Adds a step.
    pub fn to(&mut self, name: &'static str, state: S) {
        self.found.push((name, state));
    }
}

/// Says what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// A state violates something, as its model says.
    Violation(&'static str),
    /// The processes rest where they should not.
    BadRest,
    /// No good rest can be reached any more.
    Hopeless,
}

/// Demands that nothing is wrong with a model; panics with the shortest trace otherwise.
pub fn passes<M: Model>(name: &str, model: &M) {
    let exploration = Exploration::of(model, None);
    exploration.print(name, None);
    assert!(exploration.failures.is_empty(), "{name} fails");
}

/// Demands that a control fails in the expected way, which shows that the model would notice.
pub fn fails<M: Model>(name: &str, model: &M, expected: Failure) {
    let exploration = Exploration::of(model, Some(expected));
    exploration.print(name, Some(expected));
    assert!(
        exploration.failures.contains_key(&expected),
        "the control {name} does not fail as it must"
    );
}

/// Holds all states found, in the order in which they were: those nearest to the start first.
struct Exploration<'m, M: Model> {
    model: &'m M,
    seen: Seen<M::State>,
    /// For each state one from which a step leads to it, on a shortest way.
    parents: Vec<u32>,
    /// Ordinary steps, from where to where.
    edges: Vec<(u32, u32)>,
    good_rests: Vec<u32>,
    /// What is wrong: how often, and the nearest state where it is.
    failures: BTreeMap<Failure, (usize, usize)>,
    began: Instant,
}

impl<'m, M: Model> Exploration<'m, M> {
    /// Explores a model completely, or until the failure that is wanted has been found.
    fn of(model: &'m M, wanted: Option<Failure>) -> Self {
        let mut exploration = Self {
            model,
            seen: Seen::new(),
            parents: vec![0],
            edges: Vec::new(),
            good_rests: Vec::new(),
            failures: BTreeMap::new(),
            began: Instant::now(),
        };
        exploration.seen.insert(model.start());
        let mut steps = Steps { found: Vec::new() };
        let mut current = 0;
        while let Some(&state) = exploration.seen.states.get(current) {
            if let Some(failure) = exploration.expand(current, &state, &mut steps)
                && wanted == Some(failure)
            {
                return exploration;
            }
            current += 1;
        }
        exploration.find_hopeless();
        exploration
    }

    /// Finds what follows a state, and says what is wrong with it itself.
    fn expand(
        &mut self,
        current: usize,
        state: &M::State,
        steps: &mut Steps<M::State>,
    ) -> Option<Failure> {
        let mut failure = self.model.violation(state).map(Failure::Violation);
        if failure.is_none() {
            steps.found.clear();
            self.model.steps(state, steps);
            let ordinary = steps.found.len();
            if ordinary == 0 {
                if self.model.good_rest(state) {
                    self.good_rests.push(number(current));
                } else {
                    failure = Some(Failure::BadRest);
                }
            }
            self.model.surroundings(state, steps);
            for (order, &(_, next)) in steps.found.iter().enumerate() {
                let (index, new) = self.seen.insert(next);
                if new {
                    self.parents.push(number(current));
                }
                if order < ordinary {
                    self.edges.push((number(current), number(index)));
                }
            }
        }
        if let Some(failure) = failure {
            self.failures.entry(failure).or_insert((0, current)).0 += 1;
        }
        failure
    }

    /// Goes back from the good rests along ordinary steps; what is not reached is hopeless.
    fn find_hopeless(&mut self) {
        // The edges into each state, one after the other: those of state x from begins[x] on.
        let count = self.seen.states.len();
        let mut begins = vec![0_u32; count + 1];
        for &(_, to) in &self.edges {
            begins[to as usize + 1] += 1;
        }
        for state in 0..count {
            begins[state + 1] += begins[state];
        }
        let mut fill = begins.clone();
        let mut origins = vec![0_u32; self.edges.len()];
        for &(from, to) in &self.edges {
            origins[fill[to as usize] as usize] = from;
            fill[to as usize] += 1;
        }
        let mut hopeful = vec![false; count];
        let mut left = self.good_rests.clone();
        for &rest in &left {
            hopeful[rest as usize] = true;
        }
        while let Some(state) = left.pop() {
            let (first, end) = (begins[state as usize], begins[state as usize + 1]);
            for edge in first..end {
                let origin = origins[edge as usize];
                if !hopeful[origin as usize] {
                    hopeful[origin as usize] = true;
                    left.push(origin);
                }
            }
        }
        for (index, state) in self.seen.states.iter().enumerate() {
            if !hopeful[index] && self.model.violation(state).is_none() {
                let failure = self.failures.entry(Failure::Hopeless);
                failure.or_insert((0, index)).0 += 1;
            }
        }
    }

    /// Prints what was found, with the shortest trace to the failure that was wanted, or else to the
    /// nearest one.
    fn print(&self, name: &str, wanted: Option<Failure>) {
        println!(
            "{name}: {} states, {} good rests, {:.1} s",
            self.seen.states.len(),
            self.good_rests.len(),
            self.began.elapsed().as_secs_f64(),
        );
        for (failure, (count, _)) in &self.failures {
            println!("  {failure:?}: {count}");
        }
        let wanted = wanted.and_then(|failure| self.failures.get_key_value(&failure));
        // What leads only to a violation is hopeless too, so the violation says more.
        let hopeless = |failure: &Failure| *failure == Failure::Hopeless;
        let nearest = self
            .failures
            .iter()
            .min_by_key(|&(failure, &(_, index))| (hopeless(failure), index));
        if let Some((failure, &(_, index))) = wanted.or(nearest) {
            println!("  shortest trace to {failure:?}:");
            for (order, step) in self.trace(index).iter().enumerate() {
                println!("    {:3} {step}", order + 1);
            }
            println!("    {:?}", self.seen.states[index]);
        }
    }

    /// Names the steps of a shortest way to a state.
    fn trace(&self, index: usize) -> Vec<&'static str> {
        let mut names = Vec::new();
        let mut index = index;
        while index != 0 {
            let parent = self.parents[index] as usize;
            let mut steps = Steps { found: Vec::new() };
            self.model.steps(&self.seen.states[parent], &mut steps);
            self.model
                .surroundings(&self.seen.states[parent], &mut steps);
            let step = steps
                .found
                .iter()
                .find(|(_, next)| *next == self.seen.states[index]);
            names.push(step.expect("a step led here").0);
            index = parent;
        }
        names.reverse();
        names
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 states")
}

/// Remembers states, in the order in which they came.
struct Seen<S> {
    states: Vec<S>,
    /// Open addressing: hash and index + 1 of a state, or zeroes.
    table: Vec<(u32, u32)>,
}

impl<S: Copy + Eq + Hash> Seen<S> {
    fn new() -> Self {
        Self {
            states: Vec::new(),
            table: vec![(0, 0); 1 << 10],
        }
    }

    /// Returns the index of a state, and whether it is new.
    fn insert(&mut self, state: S) -> (usize, bool) {
        if self.states.len() * 2 >= self.table.len() {
            self.grow();
        }
        let mut hasher = Mixer(0);
        state.hash(&mut hasher);
        let hash = hasher.short();
        let mask = self.table.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let (found, index) = self.table[place];
            if index == 0 {
                self.states.push(state);
                self.table[place] = (hash, number(self.states.len()));
                return (self.states.len() - 1, true);
            }
            let index = index as usize - 1;
            if found == hash && self.states[index] == state {
                return (index, false);
            }
            place = (place + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let mut table = vec![(0, 0); self.table.len() * 2];
        let mask = table.len() - 1;
        for &(hash, index) in &self.table {
            if index != 0 {
                let mut place = hash as usize & mask;
                while table[place].1 != 0 {
                    place = (place + 1) & mask;
                }
                table[place] = (hash, index);
            }
        }
        self.table = table;
    }
}

/// Mixes small fields into a hash, with one multiplication each.
struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    /// The half of the hash that depends on all fields.
    fn short(&self) -> u32 {
        let mixed = (self.0 ^ (self.0 >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        u32::try_from(mixed >> 32).unwrap_or(0)
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.mix(byte.into());
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.mix(value.cast_unsigned() as u64);
    }
}
