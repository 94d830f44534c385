"""The whole fleet under every fault, from a seed: production's workers in a simulated world."""
