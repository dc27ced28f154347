//! What wit-bindgen makes of `wit/policy.wit`: one set of types, shared by the three worlds.

#![allow(missing_docs)]

/// The types and the log, which every world has in common.
pub mod shared {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package aviary:policy-sdk;
            world shared {
                import aviary:policy/log@1.0.0;
                import aviary:policy/types@1.0.0;
            }
        ",
        world: "aviary:policy-sdk/shared",
        additional_derives: [PartialEq],
        generate_all,
    });
}

/// What is this change?
pub mod classifier {
    wit_bindgen::generate!({
        path: "../wit",
        world: "aviary:policy/classifier",
        with: {
            "aviary:policy/log@1.0.0": super::shared::aviary::policy::log,
            "aviary:policy/types@1.0.0": super::shared::aviary::policy::types,
        },
        pub_export_macro: true,
        export_macro_name: "export_classifier_world",
        default_bindings_module: "aviary_policy_sdk::bindings::classifier",
    });
}

/// What does this check say?
pub mod analyzer {
    wit_bindgen::generate!({
        path: "../wit",
        world: "aviary:policy/analyzer",
        with: {
            "aviary:policy/log@1.0.0": super::shared::aviary::policy::log,
            "aviary:policy/types@1.0.0": super::shared::aviary::policy::types,
        },
        pub_export_macro: true,
        export_macro_name: "export_analyzer_world",
        default_bindings_module: "aviary_policy_sdk::bindings::analyzer",
    });
}

/// What now?
pub mod progression {
    wit_bindgen::generate!({
        path: "../wit",
        world: "aviary:policy/progression",
        with: {
            "aviary:policy/log@1.0.0": super::shared::aviary::policy::log,
            "aviary:policy/types@1.0.0": super::shared::aviary::policy::types,
        },
        pub_export_macro: true,
        export_macro_name: "export_progression_world",
        default_bindings_module: "aviary_policy_sdk::bindings::progression",
    });
}
