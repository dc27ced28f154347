//! Which world was reached from which, and what happens by itself, as numbers only.

/// The worlds by number, with the way each was first reached and the steps that need neither people nor faults.
#[derive(Debug, Default)]
pub struct Graph {
    parents: Vec<u32>,
    places: Vec<u16>,
    quiet: Vec<(u32, u32)>,
}

impl Graph {
    /// One more world, reached from another by its action of that place; the first from nowhere.
    pub fn add(&mut self, from: Option<(u32, u16)>) {
        let (parent, place) = from.unwrap_or((u32::MAX, 0));
        self.parents.push(parent);
        self.places.push(place);
    }

    /// A step that happens by itself.
    pub fn connect(&mut self, from: u32, to: u32) {
        self.quiet.push((from, to));
    }

    /// The places of the actions that lead to a world.
    #[must_use]
    pub fn way_to(&self, mut index: u32) -> Vec<u16> {
        let mut places = Vec::new();
        while self.parents[index as usize] != u32::MAX {
            places.push(self.places[index as usize]);
            index = self.parents[index as usize];
        }
        places.reverse();
        places
    }

    /// Worlds that follow each other by themselves for ever, if there are any: the graph without its ends, again and
    /// again, until nothing or a cycle is left.
    #[must_use]
    pub fn cycle(&mut self) -> Option<Vec<u32>> {
        let worlds = self.parents.len();
        // Sorted by the world that is led to, so that each one's predecessors are together.
        self.quiet.sort_unstable_by_key(|(_, to)| *to);
        let mut starts = vec![0usize; worlds + 1];
        self.quiet.iter().for_each(|(_, to)| starts[*to as usize + 1] += 1);
        (0..worlds).for_each(|index| starts[index + 1] += starts[index]);
        let mut ways_on = vec![0u32; worlds];
        self.quiet.iter().for_each(|(from, _)| ways_on[*from as usize] += 1);
        let mut ended: Vec<u32> = (0..number(worlds)).filter(|index| ways_on[*index as usize] == 0).collect();
        while let Some(index) = ended.pop() {
            let before = &self.quiet[starts[index as usize]..starts[index as usize + 1]];
            for (from, _) in before {
                ways_on[*from as usize] -= 1;
                if ways_on[*from as usize] == 0 {
                    ended.push(*from);
                }
            }
        }
        let first = ways_on.iter().position(|ways| *ways > 0)?;
        Some(self.around(number(first), &ways_on))
    }

    /// From a world that never ends along worlds that never end, until one comes again.
    fn around(&self, first: u32, ways_on: &[u32]) -> Vec<u32> {
        let mut seen = vec![first];
        loop {
            let last = seen[seen.len() - 1];
            let next = self.quiet.iter().find(|(from, to)| *from == last && ways_on[*to as usize] > 0);
            let Some((_, next)) = next else { return seen };
            if let Some(place) = seen.iter().position(|index| index == next) {
                return seen.split_off(place);
            }
            seen.push(*next);
        }
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(worlds: u32, steps: &[(u32, u32)]) -> Graph {
        let mut graph = Graph::default();
        (0..worlds).for_each(|index| graph.add(index.checked_sub(1).map(|parent| (parent, 7))));
        steps.iter().for_each(|(from, to)| graph.connect(*from, *to));
        graph
    }

    #[test]
    fn a_cycle_is_found_and_nothing_else_is_taken_for_one() {
        assert_eq!(graph(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]).cycle(), None);
        assert_eq!(graph(4, &[(0, 1), (1, 2), (2, 1), (2, 3)]).cycle(), Some(vec![1, 2]));
        assert_eq!(graph(2, &[(0, 0)]).cycle(), Some(vec![0]));
    }

    #[test]
    fn the_way_to_a_world_is_told_from_the_beginning() {
        assert_eq!(graph(3, &[]).way_to(2), [7, 7]);
        assert_eq!(graph(3, &[]).way_to(0), [0u16; 0]);
    }
}
