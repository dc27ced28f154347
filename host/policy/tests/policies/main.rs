//! Policies as the daemon meets them: real WebAssembly in real folders, most of it hostile.

mod built_in;
mod calling;
mod guest;
mod inspecting;
mod loading;
mod mutating;
mod swapping;
mod watching;
mod world;
