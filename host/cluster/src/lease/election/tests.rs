//! The election by table, and against an API server that answers late or not at all, with clocks that do not run alike.

use proptest::prelude::*;

use super::*;

const DURATION: Duration = Duration::from_secs(15);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn lease(version: u64, holder: &str, renewed: u64, epoch: u64) -> Seen {
    let holder = (!holder.is_empty()).then(|| holder.to_owned());
    Seen { uid: "uid".to_owned(), version, holder, renewed: renewed.to_string(), epoch, duration: DURATION }
}

fn election() -> Election {
    Election::new("me".to_owned(), DURATION)
}

fn takes(over: u64, epoch: u64) -> Step {
    Step::Write { over: Some(over), epoch, takes: true }
}

#[test]
fn a_lease_that_is_free_is_taken_at_once_and_another_one_when_it_has_run_out() {
    let now = Instant::now();
    let table = [
        (lease(5, "", 1, 3), takes(5, 4)),
        (lease(5, "me", 1, 3), takes(5, 4)),
        (lease(5, "other", 1, 3), Step::Wait(now + DURATION)),
        (Seen { duration: seconds(60), ..lease(5, "other", 1, 3) }, Step::Wait(now + seconds(60))),
    ];
    for (seen, step) in table {
        let mut election = election();
        assert_eq!(election.next(now), Step::Read);
        election.read(seen.clone(), now);
        assert_eq!(election.next(now), step, "{seen:?}");
        assert_eq!(election.next(now + seen.duration), takes(5, 4));
    }
}

#[test]
fn what_is_read_counts_though_its_version_is_smaller_since_etcd_was_restored() {
    let (mut election, now) = (election(), Instant::now());
    election.see(lease(900, "other", 9, 3), now);
    election.see(lease(5, "other", 2, 3), now);
    assert_eq!(election.next(now + DURATION), takes(900, 4), "a watch may be behind");
    election.failed(true, now + DURATION);
    assert_eq!(election.next(now + DURATION), Step::Read);
    election.read(lease(5, "other", 2, 3), now + DURATION);
    assert_eq!(election.next(now + DURATION), Step::Wait(now + 2 * DURATION));
    assert_eq!(election.next(now + 2 * DURATION), takes(5, 4));
}

#[test]
fn only_what_the_holder_does_counts_as_a_renewal() {
    let (mut election, now) = (election(), Instant::now());
    election.see(lease(5, "other", 1, 3), now);
    // Somebody sets a label.
    election.see(lease(6, "other", 1, 3), now + seconds(5));
    assert_eq!(election.next(now + DURATION), takes(6, 4));
    election.see(lease(7, "other", 2, 3), now + seconds(14));
    assert_eq!(election.next(now + DURATION), Step::Wait(now + seconds(14) + DURATION));
    // The watch is behind.
    election.see(lease(6, "other", 1, 3), now + seconds(15));
    assert_eq!(election.next(now + DURATION), Step::Wait(now + seconds(14) + DURATION));
    // Somebody else was faster, and what is read then is the same: nothing was learnt.
    election.failed(true, now + seconds(16));
    assert_eq!(election.next(now + seconds(16)), Step::Read);
    election.read(lease(7, "other", 2, 3), now + seconds(16));
    assert_eq!(election.next(now + seconds(29)), takes(7, 4));
}

#[test]
fn a_lease_that_is_held_is_renewed_and_lost_to_whoever_took_it() {
    let (mut election, now) = (election(), Instant::now());
    election.see(lease(5, "", 1, 3), now);
    election.stored(lease(6, "me", 2, 4), now);
    assert_eq!((election.held(), election.holder()), (Some((4, now)), None));
    assert_eq!(election.next(now), Step::Wait(now + seconds(5)));
    assert_eq!(election.next(now + seconds(5)), Step::Write { over: Some(6), epoch: 4, takes: false });
    // Nobody answers: it is tried again, with what is read then.
    election.failed(false, now + seconds(10));
    assert_eq!(election.next(now + seconds(10)), Step::Wait(now + seconds(11)));
    assert_eq!(election.next(now + seconds(11)), Step::Read);
    election.read(lease(7, "me", 3, 4), now + seconds(11));
    assert_eq!(election.held(), Some((4, now)));
    assert_eq!(election.next(now + seconds(11)), Step::Write { over: Some(7), epoch: 4, takes: false });
    election.see(lease(8, "other", 4, 5), now + seconds(12));
    assert_eq!((election.held(), election.holder()), (None, Some("other")));
}

#[test]
fn an_epoch_that_a_record_has_is_passed_and_a_lease_that_somebody_deleted_is_no_way_back() {
    let (mut election, now) = (election(), Instant::now());
    election.see_none(now);
    assert_eq!(election.next(now), Step::Write { over: None, epoch: 1, takes: true });
    election.stored(lease(6, "me", 2, 1), now);
    election.meet(9);
    assert_eq!(election.next(now), takes(6, 10));
    election.stored(lease(7, "me", 3, 10), now);
    assert_eq!(election.next(now), Step::Wait(now + seconds(5)));
    // It may be gone: it is still held until that is read.
    election.doubt();
    assert_eq!((election.held(), election.next(now)), (Some((10, now)), Step::Read));
    election.see_none(now);
    assert_eq!((election.held(), election.next(now)), (None, Step::Write { over: None, epoch: 11, takes: true }));
    // No record raises it beyond what a Lease can store.
    election.meet(u64::MAX);
    assert_eq!(election.next(now), Step::Write { over: None, epoch: LAST_EPOCH, takes: true });
    // Whoever held one that is gone may not know it yet.
    election.see(lease(9, "other", 1, 12), now);
    election.see_none(now + seconds(3));
    assert_eq!(election.next(now + seconds(3)), Step::Wait(now + seconds(18)));
}

#[test]
fn what_is_given_back_is_what_is_held() {
    let (mut election, now) = (election(), Instant::now());
    election.see(lease(5, "other", 1, 3), now);
    assert_eq!(election.give_back(), None);
    election.stored(lease(6, "me", 2, 4), now);
    assert_eq!((election.give_back(), election.held()), (Some((6, 4)), None));
}

/// Something that happens to one of three daemons.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes, in milliseconds.
    Pass(u64),
    /// It does what it wants to do next.
    Turn(usize),
    /// The API server carries out its call.
    Serve(usize),
    /// It hears the answer, or gives the call up.
    Hear(usize, bool),
    /// The API server carries out what was given up, at last.
    ServeLate(usize),
    /// Its watch shows how things are.
    Watch(usize),
    /// Its process ends and is started again.
    Restart(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..8_000u64).prop_map(Event::Pass),
        8 => (0..3usize).prop_map(Event::Turn),
        8 => (0..3usize).prop_map(Event::Serve),
        8 => (0..3usize, prop::bool::weighted(0.7)).prop_map(|(which, heard)| Event::Hear(which, heard)),
        1 => (0..3usize).prop_map(Event::ServeLate),
        4 => (0..3usize).prop_map(Event::Watch),
        1 => (0..3usize).prop_map(Event::Restart),
    ]
}

#[derive(Clone)]
struct Call {
    /// `None` reads.
    write: Option<(Option<u64>, u64)>,
    sent: Instant,
    answer: Option<Result<Option<Seen>, ()>>,
}

struct Competing {
    election: Election,
    /// How fast its clock runs, in percent.
    rate: u64,
    call: Option<Call>,
    late: Vec<Call>,
}

struct World {
    began: Instant,
    /// In milliseconds.
    now: u64,
    lease: Option<Seen>,
    version: u64,
    daemons: Vec<Competing>,
    /// When which epoch was taken.
    taken: Vec<(u64, u64)>,
}

impl World {
    fn new(rates: [u64; 3]) -> Self {
        let daemon = |(which, rate): (usize, u64)| {
            let election = Election::new(format!("daemon-{which}"), DURATION);
            Competing { election, rate, call: None, late: Vec::new() }
        };
        let daemons = rates.into_iter().enumerate().map(daemon).collect();
        Self { began: Instant::now(), now: 0, lease: None, version: 0, daemons, taken: Vec::new() }
    }

    fn local(&self, which: usize) -> Instant {
        self.began + Duration::from_millis(self.now * self.daemons[which].rate / 100)
    }

    fn happens(&mut self, event: &Event) {
        match *event {
            Event::Pass(millis) => self.now += millis,
            Event::Turn(which) => self.turn(which),
            Event::Serve(which) => {
                if let Some(mut call) = self.daemons[which].call.take() {
                    self.serve(which, &mut call);
                    self.daemons[which].call = Some(call);
                }
            }
            Event::Hear(which, heard) => self.hear(which, heard),
            Event::ServeLate(which) => {
                if let Some(mut call) = self.daemons[which].late.pop() {
                    self.serve(which, &mut call);
                }
            }
            Event::Watch(which) => {
                let now = self.local(which);
                match self.lease.clone() {
                    Some(seen) => self.daemons[which].election.see(seen, now),
                    None => self.daemons[which].election.doubt(),
                }
            }
            Event::Restart(which) => {
                let daemon = &mut self.daemons[which];
                let me = daemon.election.me().to_owned();
                // What the dead process sent has arrived, or never will: it takes longer to start again.
                (daemon.election, daemon.call) = (Election::new(me, DURATION), None);
            }
        }
    }

    fn turn(&mut self, which: usize) {
        let sent = self.local(which);
        let daemon = &mut self.daemons[which];
        if daemon.call.is_none() {
            daemon.call = match daemon.election.next(sent) {
                Step::Wait(_) => None,
                Step::Read => Some(Call { write: None, sent, answer: None }),
                Step::Write { over, epoch, .. } => Some(Call { write: Some((over, epoch)), sent, answer: None }),
            };
        }
    }

    fn serve(&mut self, which: usize, call: &mut Call) {
        if call.answer.is_some() {
            return;
        }
        let Some((over, epoch)) = call.write else {
            call.answer = Some(Ok(self.lease.clone()));
            return;
        };
        if over != self.lease.as_ref().map(|lease| lease.version) {
            call.answer = Some(Err(()));
            return;
        }
        let before = self.lease.as_ref().map_or(0, |lease| lease.epoch);
        if epoch != before {
            assert!(epoch > before, "epochs rise");
            self.taken.push((self.now, epoch));
        }
        self.version += 1;
        let me = self.daemons[which].election.me().to_owned();
        self.lease = Some(lease(self.version, &me, self.version, epoch));
        call.answer = Some(Ok(self.lease.clone()));
    }

    fn hear(&mut self, which: usize, heard: bool) {
        let now = self.local(which);
        let daemon = &mut self.daemons[which];
        let Some(call) = daemon.call.take() else { return };
        match (call.answer.clone().filter(|_| heard), call.write) {
            (Some(Ok(Some(seen))), Some(_)) => daemon.election.stored(seen, call.sent),
            (Some(Ok(Some(seen))), None) => daemon.election.read(seen, now),
            (Some(Ok(None)), _) => daemon.election.see_none(now),
            (Some(Err(())), _) => daemon.election.failed(true, now),
            (None, _) => {
                daemon.election.failed(false, now);
                daemon.late.push(call);
            }
        }
    }

    /// Whoever took the lease did so after the last write of everybody who held it before.
    fn check(&self) {
        for (which, daemon) in self.daemons.iter().enumerate() {
            let Some((epoch, sent)) = daemon.election.held() else { continue };
            let end = sent + daemon.election.times().end() - self.began;
            let end = u64::try_from(end.as_millis()).unwrap_or(u64::MAX) * 100 / daemon.rate;
            for (at, later) in self.taken.iter().filter(|(_, later)| *later > epoch) {
                assert!(end <= *at, "daemon {which} writes under {epoch} until {end}, and {later} was taken at {at}");
            }
        }
    }

    /// Everything works: who does what it wants is heard at once.
    fn quiet_second(&mut self) {
        self.now += 1_000;
        for which in 0..3 {
            for _ in 0..3 {
                [Event::Watch(which), Event::Turn(which), Event::Serve(which), Event::Hear(which, true)]
                    .iter()
                    .for_each(|event| self.happens(event));
            }
            self.check();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_writes_when_another_daemon_can(
        rates in prop::array::uniform3(93..=107u64),
        events in prop::collection::vec(event(), 0..120),
    ) {
        let mut world = World::new(rates);
        for event in &events {
            world.happens(event);
            world.check();
        }
        for _ in 0..40 {
            world.quiet_second();
        }
        let holders = world.daemons.iter().filter(|daemon| daemon.election.held().is_some()).count();
        prop_assert_eq!(holders, 1);
    }
}
