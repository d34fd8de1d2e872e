//! Several PostgreSQL servers of which one writes and the others follow it, by streaming replication on this machine.
//! A change is acknowledged once any one of the others has it.
//!
//! `fsync` is off: what dies here is a process, never the machine. Nothing is promoted by itself; the test says when,
//! and does it as one has to: nobody follows the old primary any more before the standbys are compared.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::task::block_in_place;

use super::disk::Disk;
use super::link::{Link, Way};
use super::postgres::{Cluster, Database, PASSWORD, SUPERUSER, bin, fresh, run_as};
use super::process::Owner;

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// How an old primary comes back as a standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejoin {
    /// What it has too much is taken back.
    Rewound,
    /// It begins with a copy.
    Fresh,
}

/// The servers; each keeps its port, whatever it is at the moment.
#[derive(Debug)]
pub(crate) struct Replicas {
    /// Each one's disk, where they have disks of their own.
    disks: Vec<Disk>,
    members: Vec<Cluster>,
    /// Each one's way to the primary, while it is a standby.
    ways: Vec<Link>,
    primary: usize,
    /// Whether a change is acknowledged only when a standby has it.
    waits: bool,
}

impl Replicas {
    /// Starts a primary and `standbys` that follow it.
    pub(crate) async fn start(standbys: usize) -> Self {
        Self::start_as(standbys, true, None).await
    }

    /// The same, but nobody waits for a standby: a failover may lose what was acknowledged.
    pub(crate) async fn start_loose(standbys: usize) -> Self {
        Self::start_as(standbys, false, None).await
    }

    /// As one likes: whether changes wait for a standby, and how many bytes the disk of each has, if it has its own.
    pub(crate) async fn start_as(standbys: usize, waits: bool, disk: Option<u64>) -> Self {
        let mut disks = Vec::new();
        let mut mount = |data: &Path| {
            let mounted = disk.map(|size| Disk::mount(data, size).unwrap());
            disks.extend(mounted);
        };
        let names: Vec<String> = (0..=standbys)
            .map(|nth| format!("cluster_name=m{nth}"))
            .collect();
        let first = block_in_place(|| {
            Cluster::start_with(&settings(&names[0]), |data| {
                mount(data);
                fresh(data);
            })
        });
        let mut ways = Vec::new();
        for _ in &names {
            ways.push(Link::to(local(first.port)).await);
        }
        let mut replicas = Self {
            disks: Vec::new(),
            members: vec![first],
            ways,
            primary: 0,
            waits,
        };
        for (place, name) in names.iter().enumerate().skip(1) {
            let copied = block_in_place(|| {
                Cluster::start_with(&settings(name), |data| {
                    mount(data);
                    replicas.copy_to(data);
                    replicas.configure(data, Some(place), standbys + 1);
                    mark_standby(data);
                })
            });
            replicas.members.push(copied);
        }
        replicas.disks = disks;
        replicas.configure(&replicas.members[0].data(), None, standbys + 1);
        replicas.members[0].reload();
        replicas.all_follow().await;
        replicas
    }

    /// The one that writes.
    pub(crate) fn primary(&self) -> &Cluster {
        &self.members[self.primary]
    }

    /// Its place among the members.
    pub(crate) fn primary_place(&self) -> usize {
        self.primary
    }

    pub(crate) fn member(&self, place: usize) -> &Cluster {
        &self.members[place]
    }

    /// The port of each member.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.members.iter().map(|member| member.port).collect()
    }

    /// The places of those that do not write.
    pub(crate) fn others(&self) -> Vec<usize> {
        (0..self.members.len())
            .filter(|place| *place != self.primary)
            .collect()
    }

    /// An empty database, on all of them.
    pub(crate) async fn database(&self) -> Database {
        self.primary().database().await
    }

    /// Kills the primary, all its processes at once.
    pub(crate) fn kill_primary(&self) {
        block_in_place(|| self.primary().kill());
    }

    /// Stops a member as it stands: its connections stay open, and nothing answers.
    pub(crate) fn freeze(&self, place: usize) {
        self.members[place].signal(Signal::STOP);
    }

    /// Lets it go on where it was.
    pub(crate) fn thaw(&self, place: usize) {
        self.members[place].signal(Signal::CONT);
    }

    /// How the way between a standby and its primary is from now on.
    pub(crate) fn between(&self, place: usize, way: Way) {
        self.ways[place].set(way);
    }

    /// The disk of a member, where it has its own.
    pub(crate) fn disk(&self, place: usize) -> Option<&Disk> {
        self.disks.get(place)
    }

    /// Puts the standby in the place of the primary that has everything that was acknowledged. All standbys have to
    /// run: one that does not might be the only one that has some of it.
    pub(crate) async fn promote(&mut self) {
        let standbys = self.others();
        for &place in &standbys {
            self.configure(&self.members[place].data(), None, self.members.len());
            self.members[place].reload();
        }
        let mut best = (-1, self.primary);
        for &place in &standbys {
            // What came of a record that is not whole is never replayed, so that is not waited for.
            let alone = "select (not exists (select from pg_stat_wal_receiver))::int::bigint";
            self.until(place, "nothing is received any more", alone)
                .await;
            let has = "select pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')::bigint";
            best = best.max((self.number(place, has).await.unwrap(), place));
        }
        let (_, chosen) = best;
        let promoted = "select pg_promote(true, 60)::int::bigint";
        assert_eq!(
            self.number(chosen, promoted).await,
            Some(1),
            "{}",
            self.members[chosen].log()
        );
        self.primary = chosen;
        for way in &self.ways {
            way.lead_to(local(self.primary().port));
        }
        for place in standbys.into_iter().filter(|place| *place != chosen) {
            self.configure(&self.members[place].data(), Some(place), self.members.len());
            self.members[place].reload();
        }
    }

    /// A member that was killed starts again and knows nothing of what came since: if it was primary, it writes.
    pub(crate) fn start_again(&self, place: usize) {
        block_in_place(|| self.members[place].start_again());
    }

    /// Lets a member that is not the primary, killed or not, follow the primary.
    pub(crate) async fn rejoin(&self, place: usize, way: Rejoin) {
        assert_ne!(place, self.primary);
        let member = &self.members[place];
        // Until then its files say that it is still what it was before it was promoted.
        let checkpoint = sqlx::query("checkpoint");
        let mut connection = self.primary().options("postgres").connect().await.unwrap();
        checkpoint.execute(&mut connection).await.unwrap();
        block_in_place(|| {
            if member.runs() {
                member.kill();
            }
            let data = member.data();
            if way == Rejoin::Fresh || !self.rewind(&data) {
                empty(&data);
                self.copy_to(&data);
            }
            self.configure(&data, Some(place), self.members.len());
            mark_standby(&data);
            member.start_again();
        });
        self.follows(place).await;
    }

    /// Waits until every standby follows the primary.
    pub(crate) async fn all_follow(&self) {
        for place in self.others() {
            self.follows(place).await;
        }
    }

    /// Waits until a member has what the primary has by now.
    async fn follows(&self, place: usize) {
        let now = "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint";
        let now = self.number(self.primary, now).await.unwrap();
        let sql = format!(
            "select (count(*) = 1)::int::bigint from pg_stat_replication where application_name = 'm{place}' \
             and state = 'streaming' and pg_wal_lsn_diff(flush_lsn, '0/0') >= {now}"
        );
        self.until(self.primary, &format!("m{place} follows"), &sql)
            .await;
    }

    /// Waits until a member answers 1.
    async fn until(&self, place: usize, what: &str, sql: &str) {
        let began = Instant::now();
        while self.number(place, sql).await != Some(1) {
            assert!(
                began.elapsed() < PATIENCE,
                "m{place}: not within a minute: {what}\n{}",
                self.members[place].log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A number that a member says; nothing when it says nothing in time.
    pub(crate) async fn number(&self, place: usize, sql: &str) -> Option<i64> {
        let ask = async {
            let mut connection = self.members[place]
                .options("postgres")
                .connect()
                .await
                .ok()?;
            let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
            let number = query.fetch_one(&mut connection).await.ok()?;
            connection.close().await.ok()?;
            Some(number)
        };
        tokio::time::timeout(PATIENCE, ask).await.ok()?
    }

    /// Copies the files of the primary while it runs.
    fn copy_to(&self, data: &Path) {
        let mut copy = Command::new(bin().join("pg_basebackup"));
        copy.args(["--checkpoint=fast", "--no-sync", "--host=127.0.0.1"])
            .arg(format!("--port={}", self.primary().port))
            .args(["--username", SUPERUSER, "-D"])
            .arg(data)
            .env("PGPASSWORD", PASSWORD)
            .current_dir("/");
        run_as(Owner::harmless(), &mut copy);
    }

    /// Takes back what the files have and the primary has not; false where that cannot be done.
    fn rewind(&self, data: &Path) -> bool {
        let source = format!(
            "host=127.0.0.1 port={} user={SUPERUSER} dbname=postgres",
            self.primary().port
        );
        let mut rewind = Command::new(bin().join("pg_rewind"));
        rewind
            .args(["--no-sync", "--source-server", &source, "--target-pgdata"])
            .arg(data)
            .env("PGPASSWORD", PASSWORD)
            .current_dir("/");
        if let Some(owner) = Owner::harmless() {
            owner.run(&mut rewind);
        }
        drop(std::fs::remove_file(data.join("postmaster.pid")));
        let output = rewind.output().unwrap();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            eprintln!("{}", said.lines().last().unwrap_or_default());
        }
        output.status.success()
    }

    /// Writes by whose way to the primary a member follows, and who has to have a change before it is acknowledged.
    fn configure(&self, data: &Path, follows: Option<usize>, members: usize) {
        let mut text = "wal_log_hints = on\nwal_keep_size = 256MB\n".to_owned();
        let names: Vec<String> = (0..members).map(|nth| format!("m{nth}")).collect();
        if self.waits {
            text += &format!(
                "synchronous_standby_names = 'ANY 1 ({})'\n",
                names.join(", ")
            );
        }
        if let Some(place) = follows {
            let port = self.ways[place].port;
            text += &format!(
                "primary_conninfo = 'host=127.0.0.1 port={port} user={SUPERUSER} password=''{PASSWORD}'' sslmode=disable'\n"
            );
        }
        let path = data.join("postgresql.auto.conf");
        std::fs::write(&path, text).unwrap();
        if let Some(owner) = Owner::harmless() {
            owner.own(&path);
        }
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        // One that stands still does not end.
        for member in self.members.iter().filter(|member| member.runs()) {
            member.signal(Signal::CONT);
        }
    }
}

fn settings(name: &str) -> Vec<&str> {
    vec![
        name,
        "full_page_writes=on",
        "wal_log_hints=on",
        "wal_keep_size=256MB",
        "wal_retrieve_retry_interval=100ms",
        "wal_receiver_status_interval=1s",
        "wal_receiver_timeout=10s",
        "max_wal_senders=10",
    ]
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Removes what is in a folder, which may be where a disk begins.
fn empty(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let removed = if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.unwrap();
    }
}

fn mark_standby(data: &Path) {
    let path = data.join("standby.signal");
    std::fs::write(&path, "").unwrap();
    if let Some(owner) = Owner::harmless() {
        owner.own(&path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with a table of numbers; answers its name.
    async fn with_numbers(replicas: &Replicas) -> String {
        let name = replicas.database().await.name;
        let mut connection = replicas.primary().options(&name).connect().await.unwrap();
        let create = sqlx::query("create table numbers (n bigint primary key)");
        create.execute(&mut connection).await.unwrap();
        name
    }

    /// Writes a number, and says whether that was acknowledged in time.
    async fn write(on: &Cluster, database: &str, number: i64) -> bool {
        let write = async {
            let mut connection = on.options(database).connect().await.ok()?;
            let query = sqlx::query("insert into numbers values ($1)").bind(number);
            query.execute(&mut connection).await.ok()
        };
        let written = tokio::time::timeout(Duration::from_secs(5), write).await;
        written.ok().flatten().is_some()
    }

    async fn numbers(on: &Cluster, database: &str) -> Vec<i64> {
        let mut connection = on.options(database).connect().await.unwrap();
        let all = sqlx::query_scalar("select n from numbers order by n");
        all.fetch_all(&mut connection).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_acknowledged_survives_the_primary_and_the_old_one_comes_back() {
        let mut replicas = Replicas::start(2).await;
        let name = with_numbers(&replicas).await;
        let mut expected = Vec::new();
        for (turn, way) in [Rejoin::Rewound, Rejoin::Fresh].into_iter().enumerate() {
            let first = i64::try_from(turn).unwrap() * 10;
            assert!(write(replicas.primary(), &name, first).await);
            let old = replicas.primary_place();
            replicas.kill_primary();
            replicas.promote().await;
            assert!(write(replicas.primary(), &name, first + 1).await);
            expected.extend([first, first + 1]);
            // It comes back, takes itself for the primary, and nobody confirms what it is told.
            replicas.start_again(old);
            assert!(!write(replicas.member(old), &name, first + 2).await);
            replicas.rejoin(old, way).await;
            assert_eq!(numbers(replicas.primary(), &name).await, expected);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_primary_that_stood_still_acknowledges_nothing_when_it_goes_on() {
        let mut replicas = Replicas::start(1).await;
        let name = with_numbers(&replicas).await;
        let old = replicas.primary_place();
        replicas.freeze(old);
        replicas.promote().await;
        replicas.thaw(old);
        assert!(!write(replicas.member(old), &name, 1).await);
        // The new one has nobody either, until the old one follows it.
        replicas.rejoin(old, Rejoin::Rewound).await;
        assert!(write(replicas.primary(), &name, 2).await);
        assert_eq!(numbers(replicas.primary(), &name).await, [2]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_standby_that_is_cut_off_holds_nobody_up_and_has_everything_later_and_without_any_nobody_is_answered()
     {
        let replicas = Replicas::start(2).await;
        let name = with_numbers(&replicas).await;
        for (number, way) in [(0, Way::Cut), (10, Way::Silent)] {
            replicas.between(1, way);
            assert!(write(replicas.primary(), &name, number).await, "{way:?}");
            replicas.between(2, way);
            assert!(
                !write(replicas.primary(), &name, number + 1).await,
                "{way:?}"
            );
            replicas.between(1, Way::Open);
            replicas.between(2, Way::Open);
            replicas.all_follow().await;
        }
        assert_eq!(numbers(replicas.member(1), &name).await, [0, 1, 10, 11]);
    }
}
