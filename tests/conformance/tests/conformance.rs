//! The model against the real API server with its controllers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{env, sync::OnceLock};

use anyhow::Result;
use conformance::{Answer, Call, Model, Run, Side, run};
use local_cluster::{Identity, LocalCluster, Options};
use serde_json::{Value, json};

/// The shared cluster; it ends with the process.
fn cluster() -> &'static LocalCluster {
    static CLUSTER: OnceLock<LocalCluster> = OnceLock::new();
    CLUSTER.get_or_init(|| LocalCluster::start(Options::default()).unwrap_or_else(|error| panic!("{error:#}")))
}

fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}: no number")))
}

#[tokio::test(flavor = "multi_thread")]
async fn random_sequences_end_on_the_model_as_on_kubernetes() {
    let sequences = number("CONFORMANCE_SEQUENCES", 300).try_into().unwrap();
    let seed = number("CONFORMANCE_SEED", 1);
    let asked = Run { sequences, seed, shortened: 4 };
    let report = run(&cluster().kubeconfig(Identity::Admin), asked, Model::new).await.unwrap();
    println!("{report}");
    assert!(report.differing == 0, "the model is not as Kubernetes is");
}

/// A model that makes a mistake in what it answers.
struct Mistaken {
    model: Model,
    mistake: fn(&mut Value),
}

impl Side for Mistaken {
    fn namespace(&self) -> &str {
        self.model.namespace()
    }

    async fn ask(&mut self, call: &Call) -> Result<Answer> {
        let mut answer = self.model.ask(call).await?;
        (self.mistake)(&mut answer.body);
        answer.body["items"].as_array_mut().into_iter().flatten().for_each(self.mistake);
        Ok(answer)
    }

    async fn settle(&mut self) -> Result<()> {
        self.model.settle().await
    }

    async fn go_on(&mut self) -> Result<()> {
        self.model.go_on().await
    }

    async fn crash(&mut self) -> Result<()> {
        self.model.crash().await
    }
}

/// The generation does not rise with annotations.
fn misses_annotations(object: &mut Value) {
    let generation = object["metadata"]["generation"].as_i64();
    if let (true, Some(generation)) = (object["metadata"]["annotations"]["note"].is_string(), generation) {
        object["metadata"]["generation"] = json!(generation - 1);
    }
}

/// A failed test of a patch is told as a failed validation.
fn takes_a_failed_test_for_a_validation(object: &mut Value) {
    if object["code"] == 422 && object["details"]["kind"].is_null() {
        object["details"]["kind"] = json!("Deployment");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_mistaken_is_found_out_in_three_acts_at_most() {
    for mistake in [misses_annotations, takes_a_failed_test_for_a_validation] {
        // Few sequences, in which what is planted shows.
        let asked = Run { sequences: 6, seed: 349, shortened: 1 };
        let model = |pace| Mistaken { model: Model::new(pace), mistake };
        let report = run(&cluster().kubeconfig(Identity::Admin), asked, model).await.unwrap();
        let shortest = &report.outcomes.first().expect("nothing was found").sequence;
        assert!(shortest.0.len() <= 3, "{report}");
    }
}
