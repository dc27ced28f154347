//! How things stand, for a person at a terminal.

use std::fmt::Write as _;

use aviary_core::time::{Timestamp, humane};
use serde_json::Value;

/// All services in a table, or one in full.
pub fn status(answer: &Value, in_full: bool, now: Timestamp) -> String {
    let services: &[Value] = answer["services"].as_array().map_or(&[], Vec::as_slice);
    let body = if in_full { services.iter().map(|service| one(service, now)).collect() } else { table(services) };
    let configuration = configuration(&answer["daemon"]["configuration"], now);
    format!(
        "{}{configuration}{}{body}{}{}",
        lease(&answer["daemon"]["lease"]),
        not_ready(answer),
        left_behind(answer),
        refused(answer)
    )
}

/// Who acts, where it is not this daemon, or not for certain.
fn lease(lease: &Value) -> String {
    let name = text(&lease["name"]);
    match (text(&lease["state"]), lease["trouble"].as_str()) {
        ("standby", _) => format!("standby: {} holds the lease {name} and acts\n", text(&lease["holder"])),
        ("held", None) => String::new(),
        (state, trouble) => {
            format!("lease {name}: {state}{}\n", trouble.map(|trouble| format!(", {trouble}")).unwrap_or_default())
        }
    }
}

/// The file, what the last reading changed, and what is wrong with it now.
fn configuration(configuration: &Value, now: Timestamp) -> String {
    let ago = |at: &Value| at.as_i64().map(|at| humane(now.since(Timestamp(at)))).unwrap_or_default();
    let digest = short(&configuration["digest"]);
    let mut page = format!(
        "configuration: {} ({digest}), loaded {} ago\n",
        text(&configuration["file"]),
        ago(&configuration["loaded"])
    );
    for change in configuration["changes"].as_array().into_iter().flatten() {
        let _ = writeln!(page, "  changed: {}", text(change));
    }
    let refused = &configuration["refused"];
    if !refused.is_null() {
        let _ = writeln!(page, "  refused {} ago, so the one before stays in force:", ago(&refused["at"]));
    }
    for fault in refused["faults"].as_array().into_iter().flatten() {
        let _ = writeln!(page, "    {}", text(fault));
    }
    page
}

/// The first digits of a digest, for people.
fn short(digest: &Value) -> &str {
    let digest = text(digest).trim_start_matches("sha256:");
    digest.get(..12).unwrap_or(digest)
}

fn not_ready(answer: &Value) -> String {
    let reasons = answer["daemon"]["not_ready"].as_array().into_iter().flatten();
    reasons.map(|reason| format!("not ready: {}\n", text(reason))).collect()
}

fn left_behind(answer: &Value) -> String {
    let left = answer["left_behind"].as_array().into_iter().flatten();
    left.map(|line| format!("left behind: {}\n", text(line))).collect()
}

fn refused(answer: &Value) -> String {
    let refused = answer["refused"].as_array().into_iter().flatten();
    let folder = answer["folder_problem"].as_str().map(|problem| format!("policies: {problem}\n")).unwrap_or_default();
    let line = |one: &Value| format!("policy {} refused: {}\n", text(&one["name"]), text(&one["reason"]));
    folder + &refused.map(line).collect::<String>()
}

fn table(services: &[Value]) -> String {
    let header = ["SERVICE", "PHASE", "PODS", "CANARY", "STEP", "IMAGE", "WHY"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(header).chain(services.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
        format!("{cells}{}\n", row[6])
    };
    rows.iter().map(line).collect()
}

fn row(service: &Value) -> [String; 7] {
    let rollout = &service["rollout"];
    let candidate = service["images"]["candidate"].as_str().map(|image| format!(" -> {image}")).unwrap_or_default();
    let problem = service["problems"][0]["fault"].as_str().map(str::to_owned);
    [
        format!("{}/{}", text(&service["namespace"]), text(&service["service"])),
        phase(service),
        pods(service),
        if rollout.is_null() { "-".to_owned() } else { size(&service["tracks"]["canary"]) },
        if rollout.is_null() { "-".to_owned() } else { format!("{}/{}", rollout["step"], rollout["steps"]) },
        format!("{}{candidate}", service["images"]["accepted"].as_str().unwrap_or("-")),
        problem.unwrap_or_else(|| text(&service["reason"]).to_owned()),
    ]
}

fn phase(service: &Value) -> String {
    let paused = if service["rollout"]["paused"].is_null() { "" } else { " (paused)" };
    let bypass = if service["bypass"] == true { " (bypass)" } else { "" };
    format!("{}{paused}{bypass}", text(&service["phase"]))
}

/// Ready pods of all tracks, of N.
fn pods(service: &Value) -> String {
    let tracks = service["tracks"].as_object();
    let ready: u64 = tracks.into_iter().flatten().filter_map(|(_, track)| track["ready"].as_u64()).sum();
    service["replicas"].as_u64().map_or_else(|| ready.to_string(), |replicas| format!("{ready}/{replicas}"))
}

fn size(track: &Value) -> String {
    if track.is_null() { "-".to_owned() } else { format!("{}/{}", track["ready"], track["wanted"]) }
}

fn one(service: &Value, now: Timestamp) -> String {
    let mut page = format!("{}/{}: {}\n", text(&service["namespace"]), text(&service["service"]), phase(service));
    let mut line = |label: &str, value: &str| _ = writeln!(page, "  {label:<10} {value}");
    line("why", text(&service["reason"]));
    line("accepted", service["images"]["accepted"].as_str().unwrap_or("-"));
    if let Some(candidate) = service["images"]["candidate"].as_str() {
        line("candidate", candidate);
    }
    line("replicas", &service["replicas"].to_string().replace("null", "-"));
    for track in ["original", "primary", "canary"] {
        let found = &service["tracks"][track];
        if !found.is_null() {
            line(track, &format!("{} ready of {} wanted   {}", found["ready"], found["wanted"], text(&found["image"])));
        }
    }
    if service["keeps_settings"] == true {
        line("settings", "those the rollout began with, or stricter ones; the configuration says otherwise by now");
    }
    page + &rollout(&service["rollout"], now) + &lists(service, now)
}

fn rollout(rollout: &Value, now: Timestamp) -> String {
    if rollout.is_null() {
        return String::new();
    }
    let mut page = String::new();
    let step = format!(
        "{} of {}, {} pods, promoted at {}",
        rollout["step"], rollout["steps"], rollout["size"], rollout["break_point"]
    );
    let _ = writeln!(page, "  {:<10} {step}", "step");
    if let Some(at) = rollout["next_check"].as_i64() {
        let _ = writeln!(page, "  {:<10} in {}", "next check", humane(Timestamp(at).since(now)));
    }
    if let Some(reason) = rollout["paused"]["reason"].as_str() {
        let _ = writeln!(page, "  {:<10} {reason}; `aviary resume` goes on", "paused");
    }
    if let Some(reason) = rollout["last_move"]["move"]["reason"].as_str() {
        let _ = writeln!(page, "  {:<10} {reason}", "last move");
    }
    for check in rollout["checks"].as_array().into_iter().flatten() {
        page += &check_lines(check, now);
    }
    page
}

fn check_lines(check: &Value, now: Timestamp) -> String {
    let ago = check["at"].as_i64().map(|at| humane(now.since(Timestamp(at)))).unwrap_or_default();
    let mut page =
        format!("  {:<10} {} ago, step {}: {}\n", "check", ago, check["step_index"], text(&check["outcome"]));
    for found in check["findings"].as_array().into_iter().flatten() {
        let (policy, finding) = (&found["policy"], &found["finding"]);
        let _ = writeln!(
            page,
            "  {:<10}   {}: {}: {}",
            "",
            text(&policy["name"]),
            text(&finding["outcome"]),
            text(&finding["reason"])
        );
    }
    page
}

fn lists(service: &Value, now: Timestamp) -> String {
    let mut page = String::new();
    for policy in service["policies"].as_array().into_iter().flatten() {
        let digest = short(&policy["digest"]);
        let _ = writeln!(
            page,
            "  {:<10} {} {} ({digest})",
            text(&policy["role"]),
            text(&policy["name"]),
            text(&policy["version"])
        );
    }
    for past in service["history"].as_array().into_iter().flatten() {
        let ago = past["ended"].as_i64().map(|at| humane(now.since(Timestamp(at)))).unwrap_or_default();
        let _ = writeln!(
            page,
            "  {:<10} {ago} ago: {} {}: {}",
            "history",
            text(&past["images"]),
            text(&past["ending"]),
            text(&past["reason"])
        );
    }
    for problem in service["problems"].as_array().into_iter().flatten() {
        let _ = writeln!(
            page,
            "  {:<10} {}\n  {:<10} {}",
            "problem",
            text(&problem["fault"]),
            "remedy",
            text(&problem["remedy"])
        );
    }
    page
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
